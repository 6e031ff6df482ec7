// SPDX-License-Identifier: GPL-2.0-only
/* The inventory: for every C file its functions in order, and for every function its calls in source order. */

import { readFileSync } from 'node:fs';

/** One definition. A function that C defines twice, under opposite conditions, is in the list twice. */
export interface CFunction {
  readonly name: string;
  readonly isStatic: boolean;
  /** Names, without the object that an indirect call goes through. */
  readonly calls: readonly string[];
}

export interface CFile {
  /** As in the kernel tree: drivers/vfio/vfio.c */
  readonly path: string;
  readonly functions: readonly CFunction[];
}

/** The files that are mirrored. */
export const FILES: readonly string[] = [
  'drivers/vfio/vfio.c',
  'drivers/vfio/pci/vfio_pci_core.c',
  'drivers/vfio/pci/vfio_pci_intrs.c',
  'drivers/vfio/pci/vfio_pci_config.c',
  'drivers/vfio/pci/vfio_pci_rdwr.c',
  'drivers/vfio/pci/vfio_pci.c',
  'drivers/vfio/virqfd.c',
];

interface RawFunction {
  name: string;
  static: boolean;
  /** A name, or an array that starts with it. */
  calls: (string | [name: string, ...rest: unknown[]])[];
}

/** `driver->ops->ioctl` is called ioctl. */
export function lastMember(name: string): string {
  return name.slice(Math.max(name.lastIndexOf('>'), name.lastIndexOf('.')) + 1);
}

/**
 * Read an inventory: `{"files": {path: {"functions": [{"name", "static", "calls": [...]}]}}}`.
 *
 * @throws Error when the file is not one
 */
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
      calls: fn.calls.map((call) => lastMember(typeof call === 'string' ? call : call[0])),
    })),
  }));
}

/** The text of an inventory, one function a line. */
export function formatInventory(about: string, files: readonly CFile[]): string {
  const blocks = files.map(({ path, functions }) => {
    const lines = functions.map(({ name, isStatic, calls }) =>
      JSON.stringify({ name, static: isStatic, calls }),
    );
    return `${JSON.stringify(path)}: {"functions": [\n${lines.join(',\n')}\n]}`;
  });
  return `{\n"about": ${JSON.stringify(about)},\n"files": {\n${blocks.join(',\n')}\n}\n}\n`;
}
