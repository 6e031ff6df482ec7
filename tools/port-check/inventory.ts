// SPDX-License-Identifier: GPL-2.0-only
/* The inventory of C functions: a JSON file with, for every file and function, the calls in source order. */

import { readFileSync } from 'node:fs';

/** One call: its name, without the object an indirect call goes through. */
export interface CFunction {
  readonly name: string;
  readonly isStatic: boolean;
  readonly calls: readonly string[];
}

export interface CFile {
  /** As in the kernel tree: drivers/vfio/vfio.c */
  readonly path: string;
  readonly functions: readonly CFunction[];
}

interface RawFunction {
  name: string;
  static: boolean;
  calls: [name: string, line: number, depth: number, kind: string][];
}

/** `driver->ops->ioctl` is called ioctl. */
function lastMember(name: string): string {
  return name.slice(Math.max(name.lastIndexOf('>'), name.lastIndexOf('.')) + 1);
}

/** Read an inventory. Throws when the file is not one. */
export function readInventory(path: string): CFile[] {
  const raw = JSON.parse(readFileSync(path, 'utf8')) as {
    files?: Record<string, { functions: RawFunction[] }>;
  };
  if (raw.files === undefined) throw new Error(`${path}: no "files" in it`);
  return Object.entries(raw.files).map(([file, { functions }]) => ({
    path: file,
    functions: functions.map((fn) => ({
      name: fn.name,
      isStatic: fn.static,
      calls: fn.calls.map(([name]) => lastMember(name)),
    })),
  }));
}
