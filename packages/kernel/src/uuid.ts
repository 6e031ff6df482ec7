// SPDX-License-Identifier: GPL-2.0-only
/* lib/uuid.c */
import { machine, Prng } from '@vfio-lab/sim';
import { EINVAL } from './errno.ts';

export const UUID_SIZE = 16;
export const UUID_STRING_LEN = 36;

/** uuid_t: 16 bytes, in the order of the text form. */
export class uuid_t {
  readonly bytes = new Uint8Array(UUID_SIZE);
}

class UuidSource {
  readonly prng = new Prng(0x75756964);
}

/** A version-4 uuid, the same sequence on every machine. C: lib/uuid.c uuid_gen() */
export function uuid_gen(uuid: uuid_t): void {
  const { prng } = machine.scope(UuidSource, () => new UuidSource());
  const b = uuid.bytes;
  for (let i = 0; i < UUID_SIZE; i++) b[i] = prng.below(256);
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
}

/** C: include/linux/uuid.h uuid_copy() */
export function uuid_copy(dst: uuid_t, src: uuid_t): void {
  dst.bytes.set(src.bytes);
}

/** C: include/linux/uuid.h uuid_equal() */
export function uuid_equal(a: uuid_t, b: uuid_t): boolean {
  return a.bytes.every((x, i) => x === b.bytes[i]);
}

/** C: include/linux/uuid.h uuid_is_null() */
export function uuid_is_null(uuid: uuid_t): boolean {
  return uuid.bytes.every((x) => x === 0);
}

const VALID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i;

/**
 * The first 36 characters as a uuid; what follows is not looked at.
 * @returns 0 or -EINVAL.
 * C: lib/uuid.c uuid_parse()
 */
export function uuid_parse(text: string, uuid: uuid_t): number {
  if (!VALID.test(text)) return -EINVAL;
  const hex = text.slice(0, UUID_STRING_LEN).replaceAll('-', '');
  for (let i = 0; i < UUID_SIZE; i++) uuid.bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return 0;
}

/** The text form in lower case, as printk's %pUb. */
export function uuid_string(uuid: uuid_t): string {
  const hex = Array.from(uuid.bytes, (x) => x.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
