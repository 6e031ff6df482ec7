// SPDX-License-Identifier: GPL-2.0-only
/*
 * fs/sysfs, fs/kernfs: a tree of directories, attributes and links.
 *
 * A show() gives the text (with its newline) or a negative error; a store() takes the text as it was written and
 * gives the number of bytes it used, or a negative error.
 */
import { lock_map_acquire, lock_map_release } from '@vfio-lab/locking';
import {
  access,
  CountedMap,
  current,
  fixed,
  machine,
  Obj,
  per_machine,
  type Task,
  wait_until,
} from '@vfio-lab/sim';
import { PAGE_SIZE } from './bits.ts';
import type { Awaitable } from './container.ts';
import { EACCES, EEXIST, EINVAL, EIO, EISDIR, ENODEV, ENOENT } from './errno.ts';
import type { file, file_operations } from './file.ts';
import type { vm_area_struct } from './mm.ts';
import { DEFAULT_POLLMASK } from './poll.ts';
import { copy_from_user, copy_to_user } from './uaccess.ts';

/** A text attribute. */
export interface sysfs_attribute {
  readonly name: string;
  readonly mode: number;
  show?(): Awaitable<string | number>;
  store?(text: string): Awaitable<number>;
}

/** A binary attribute; size 0: unlimited. */
export interface sysfs_bin_attribute {
  readonly name: string;
  readonly mode: number;
  readonly size: number;
  read?(off: number, count: number): Awaitable<Uint8Array | number>;
  write?(bytes: Uint8Array, off: number): Awaitable<number>;
  mmap?(file: file, vma: vm_area_struct): Awaitable<number>;
}

class sysfs_node extends Obj {
  readonly parent: sysfs_dir | null;

  constructor(name: string, parent: sysfs_dir | null) {
    super(name);
    this.parent = parent;
  }

  /** Absolute path. */
  get path(): string {
    return this.parent === null ? this.name : `${this.parent.path}/${this.name}`;
  }
}

export class sysfs_dir extends sysfs_node {
  readonly children = new CountedMap<string, sysfs_dir | sysfs_file | sysfs_link>();
}

/** An attribute. While somebody is in its operations it cannot be removed (kernfs active references). */
export class sysfs_file extends sysfs_node {
  declare readonly parent: sysfs_dir;
  readonly attr: sysfs_attribute | null;
  readonly bin: sysfs_bin_attribute | null;

  constructor(parent: sysfs_dir, attr: sysfs_attribute | null, bin: sysfs_bin_attribute | null) {
    super((attr ?? (bin as sysfs_bin_attribute)).name, parent);
    // There are many, and they are not for a checkpoint to keep.
    this.attr = Object.freeze(attr);
    this.bin = Object.freeze(bin);
  }

  get removed(): boolean {
    return this.parent.children.get(this.name) !== this;
  }

  get mode(): number {
    return (this.attr ?? this.bin)?.mode ?? 0;
  }
}

export class sysfs_link extends sysfs_node {
  readonly target: sysfs_dir;

  constructor(name: string, parent: sysfs_dir, target: sysfs_dir) {
    super(name, parent);
    this.target = target;
  }
}

// There are hundreds of these.
fixed(sysfs_dir, ['name', 'parent', 'children']);
fixed(sysfs_file, ['name', 'parent', 'attr', 'bin']);
fixed(sysfs_link, ['name', 'parent', 'target']);

class Sysfs {
  readonly root = new sysfs_dir('/sys', null);
  /** Tasks that are in the operations of a file. */
  readonly active = new Map<sysfs_file, readonly Task[]>();
}

const sysfs = per_machine(() => new Sysfs());

function active(f: sysfs_file): readonly Task[] {
  return sysfs().active.get(f) ?? [];
}

/** The directory /sys of the running machine. */
export function sysfs_root(): sysfs_dir {
  return sysfs().root;
}

/** A directory below another, made if missing; `path` may have several parts. */
export function sysfs_mkdir(parent: sysfs_dir, path: string): sysfs_dir {
  let dir = parent;
  for (const name of path.split('/')) {
    if (name === '') continue;
    const next = dir.children.get(name);
    if (next instanceof sysfs_dir) {
      dir = next;
    } else {
      const made: sysfs_dir = new sysfs_dir(name, dir);
      dir.children.set(name, made);
      dir = made;
    }
  }
  return dir;
}

/** @returns 0 or -EEXIST. C: fs/sysfs/file.c sysfs_create_file() */
export function sysfs_create_file(dir: sysfs_dir, attr: sysfs_attribute): number {
  if (dir.children.has(attr.name)) return -EEXIST;
  dir.children.set(attr.name, new sysfs_file(dir, attr, null));
  return 0;
}

/** @returns 0 or -EEXIST. C: fs/sysfs/file.c sysfs_create_bin_file() */
export function sysfs_create_bin_file(dir: sysfs_dir, bin: sysfs_bin_attribute): number {
  if (dir.children.has(bin.name)) return -EEXIST;
  dir.children.set(bin.name, new sysfs_file(dir, null, bin));
  return 0;
}

/** @returns 0 or -EEXIST. C: fs/sysfs/symlink.c sysfs_create_link() */
export function sysfs_create_link(dir: sysfs_dir, target: sysfs_dir, name: string): number {
  if (dir.children.has(name)) return -EEXIST;
  dir.children.set(name, new sysfs_link(name, dir, target));
  return 0;
}

/** Remove a link; a missing one is fine. C: fs/sysfs/symlink.c sysfs_remove_link() */
export function sysfs_remove_link(dir: sysfs_dir, name: string): void {
  if (dir.children.get(name) instanceof sysfs_link) dir.children.delete(name);
}

async function drain(f: sysfs_file): Promise<void> {
  const self = current;
  if (active(f).every((t) => t === self)) return;
  await wait_until(
    f,
    () => active(f).every((t) => t === self),
    () => active(f).filter((t) => t !== self),
  );
}

/**
 * Remove an attribute, after everybody else has left its operations.
 * C: fs/sysfs/file.c sysfs_remove_file()
 */
export async function sysfs_remove_file(dir: sysfs_dir, name: string): Promise<void> {
  const f = dir.children.get(name);
  if (!(f instanceof sysfs_file)) return;
  dir.children.delete(name);
  await drain(f);
}

/** Remove a directory with all it has. C: fs/sysfs/dir.c sysfs_remove_dir() */
export async function sysfs_remove_dir(dir: sysfs_dir): Promise<void> {
  for (const child of [...dir.children.values()]) {
    if (child instanceof sysfs_dir) await sysfs_remove_dir(child);
    else if (child instanceof sysfs_file) await sysfs_remove_file(dir, child.name);
  }
  dir.children.clear();
  dir.parent?.children.delete(dir.name);
}

// A text always has the same parts.
const split = new Map<string, readonly string[]>();

function parts_of(path: string): readonly string[] {
  let parts = split.get(path);
  if (parts === undefined) split.set(path, (parts = path.split('/').filter((p) => p !== '')));
  return parts;
}

/**
 * The node at a path; links on the way are followed, the last one too unless `nofollow`. Null: there is none.
 */
export function sysfs_lookup(path: string, nofollow = false): sysfs_dir | sysfs_file | sysfs_link | null {
  const parts = parts_of(path);
  if (parts[0] !== 'sys') return null;
  let node: sysfs_dir | sysfs_file | sysfs_link = sysfs_root();
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i];
    if (node instanceof sysfs_link) node = node.target;
    if (!(node instanceof sysfs_dir)) return null;
    const next: sysfs_dir | sysfs_file | sysfs_link | null | undefined =
      part === '..' ? node.parent : node.children.get(part);
    if (next === undefined || next === null) return null;
    node = next;
    if (node instanceof sysfs_link && !(nofollow && i === parts.length - 1)) node = node.target;
  }
  return node;
}

/** Names in a directory, sorted. @returns -ENOENT when it is none */
export function sysfs_list(path: string): string[] | number {
  const node = sysfs_lookup(path);
  return node instanceof sysfs_dir ? [...node.children.keys()].sort() : -ENOENT;
}

/** The name a link points to (last part), e.g. of /sys/bus/pci/devices/X/driver. Null: no such link. */
export function sysfs_readlink(path: string): string | null {
  const node = sysfs_lookup(path, true);
  return node instanceof sysfs_link ? node.target.name : null;
}

async function use<T>(f: sysfs_file, fn: () => Awaitable<T>): Promise<T | number> {
  await access(f, false, 'syscall');
  if (f.removed) return -ENODEV;
  const self = current;
  const users = sysfs().active;
  users.set(f, [...active(f), self]);
  // An active reference is never waited for. C: fs/kernfs/dir.c kernfs_get_active()
  lock_map_acquire('kn->active', true);
  const ret = await fn();
  lock_map_release('kn->active');
  await access(f, true, 'syscall');
  machine.publish(f);
  const others = active(f);
  if (others.length === 1) users.delete(f);
  else users.set(f, others.toSpliced(others.indexOf(self), 1));
  return ret;
}

/** The text of an attribute, or a negative error. C: fs/sysfs/file.c sysfs_kf_seq_show() */
export async function sysfs_show(f: sysfs_file): Promise<string | number> {
  const { attr } = f;
  if (attr === null || attr.show === undefined) return -EIO;
  return use(f, () => (attr.show as () => Awaitable<string | number>)());
}

/** Write an attribute. @returns bytes used or a negative error. C: fs/sysfs/file.c sysfs_kf_write() */
export async function sysfs_store(f: sysfs_file, text: string): Promise<number> {
  const { attr } = f;
  if (attr === null || attr.store === undefined) return -EIO;
  if (text.length === 0) return 0;
  return use(f, () => (attr.store as (text: string) => Awaitable<number>)(text));
}

/** Read a binary attribute. @returns the bytes or a negative error. C: fs/sysfs/file.c sysfs_kf_bin_read() */
export async function sysfs_bin_read(
  f: sysfs_file,
  off: number,
  count: number,
): Promise<Uint8Array | number> {
  const { bin } = f;
  if (bin === null || bin.read === undefined) return -EIO;
  if (bin.size > 0) {
    if (off >= bin.size) return new Uint8Array(0);
    count = Math.min(count, bin.size - off);
  }
  if (count === 0) return new Uint8Array(0);
  count = Math.min(count, PAGE_SIZE);
  return use(f, () => (bin.read as NonNullable<typeof bin.read>)(off, count));
}

/**
 * Write a binary attribute.
 * @returns bytes used or a negative error.
 * C: fs/sysfs/file.c sysfs_kf_bin_write()
 */
export async function sysfs_bin_write(f: sysfs_file, bytes: Uint8Array, off: number): Promise<number> {
  const { bin } = f;
  if (bin === null || bin.write === undefined) return -EIO;
  let n = Math.min(bytes.length, PAGE_SIZE);
  if (bin.size > 0) {
    if (off >= bin.size) return 0;
    n = Math.min(n, bin.size - off);
  }
  if (n === 0) return 0;
  return use(f, () => (bin.write as NonNullable<typeof bin.write>)(bytes.subarray(0, n), off));
}

/**
 * Whole text of the attribute at a path without its last newline, or a negative error, as `cat` would see it.
 */
export async function sysfs_read(path: string): Promise<string | number> {
  const node = sysfs_lookup(path);
  if (node === null) return -ENOENT;
  if (!(node instanceof sysfs_file)) return -EISDIR;
  if (!(node.mode & 0o444)) return -EACCES;
  const text = await sysfs_show(node);
  return typeof text === 'string' ? text.replace(/\n$/, '') : text;
}

/** Write to the attribute at a path, as one write(2). @returns bytes used or a negative error */
export async function sysfs_write(path: string, text: string): Promise<number> {
  const node = sysfs_lookup(path);
  if (node === null) return -ENOENT;
  if (!(node instanceof sysfs_file)) return -EISDIR;
  if (!(node.mode & 0o222)) return -EACCES;
  if (node.bin !== null)
    return sysfs_bin_write(
      node,
      Uint8Array.from(text, (c) => c.charCodeAt(0)),
      0,
    );
  return sysfs_store(node, text);
}

function node_of(f: file): sysfs_file {
  return f.private_data as sysfs_file;
}

/** File operations of an open attribute. */
export const sysfs_fops: file_operations = Object.freeze<file_operations>({
  async read(f, buf, count, ppos) {
    const node = node_of(f);
    let bytes: Uint8Array | number;
    if (node.bin !== null) {
      bytes = await sysfs_bin_read(node, ppos.v, count);
    } else {
      const text = await sysfs_show(node);
      bytes =
        typeof text === 'number'
          ? text
          : Uint8Array.from(text, (c) => c.charCodeAt(0)).subarray(ppos.v, ppos.v + count);
    }
    if (typeof bytes === 'number') return bytes;
    const left = copy_to_user(buf, bytes, bytes.length);
    if (left > 0 && left === bytes.length) return -14;
    ppos.v += bytes.length - left;
    return bytes.length - left;
  },
  async write(f, buf, count, ppos) {
    const node = node_of(f);
    const bytes = new Uint8Array(Math.min(count, PAGE_SIZE));
    if (copy_from_user(bytes, buf, bytes.length) > 0) return -14;
    const ret =
      node.bin !== null
        ? await sysfs_bin_write(node, bytes, ppos.v)
        : await sysfs_store(node, String.fromCharCode(...bytes));
    if (ret > 0) ppos.v += ret;
    return ret;
  },
  llseek(f, off, whence) {
    if (whence > 1) return -EINVAL;
    return whence === 1 ? f.f_pos + off : off;
  },
  mmap(f, vma) {
    const bin = node_of(f).bin;
    return bin?.mmap === undefined ? -EINVAL : bin.mmap(f, vma);
  },
  poll: () => DEFAULT_POLLMASK,
});
