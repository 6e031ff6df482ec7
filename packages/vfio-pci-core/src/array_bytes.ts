// SPDX-License-Identifier: GPL-2.0-only

/**
 * An array of user structs as it lies in C's memory: one after the other.
 *
 * @param structs all of one type
 * @param n how many of them, from the first
 */
export function array_bytes(structs: readonly { readonly bytes: Uint8Array }[], n: number): Uint8Array {
  const size = structs.length ? structs[0].bytes.length : 0;
  const bytes = new Uint8Array(n * size);
  for (const [i, struct] of structs.slice(0, n).entries()) bytes.set(struct.bytes, i * size);
  return bytes;
}
