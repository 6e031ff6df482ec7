// SPDX-License-Identifier: GPL-2.0-only
import { errno_name } from '@vfio-lab/kernel';
import type { Task } from '@vfio-lab/sim';
import type { Testbed } from '../boot.ts';
import { parseInteger } from './language.ts';
import { User } from '../userspace/user.ts';

/** A mapping made by the script; null when the mmap failed. */
export interface Mapping {
  addr: number;
  length: number;
}

/** A running script: its process, the names it has bound, its background operations. */
export class Session {
  readonly testbed: Testbed;
  readonly user: User;
  readonly handles = new Map<string, number>();
  readonly mappings = new Map<string, Mapping | null>();
  readonly background = new Map<string, Task>();

  constructor(testbed: Testbed) {
    this.testbed = testbed;
    this.user = new User(testbed.process);
  }

  /** The fd behind a word: a handle's, a literal number, or an fd that is never open. */
  fd(word: string): number {
    const fd = this.handles.get(word);
    if (fd !== undefined) return fd;
    const literal = parseInteger(word);
    return literal === null ? UNKNOWN_FD : Number(literal);
  }

  /** Bind a name to what an opening call returned: a new fd replaces (and closes) the old, a failure keeps it. */
  async bind(name: string, ret: number): Promise<void> {
    const old = this.handles.get(name);
    if (ret < 0) {
      if (old === undefined) this.handles.set(name, -1);
      return;
    }
    this.handles.set(name, ret);
    if (old !== undefined && old >= 0) await this.user.close(old);
  }
}

const UNKNOWN_FD = 9999;

/** `rc`, and `err` when the call failed. */
export function rcFields(ret: number): { rc: number; err?: string } {
  return ret < 0 ? { rc: -1, err: errno_name(-ret) } : { rc: ret };
}

/** A number as the traces print it. */
export function hex(v: number | bigint): string {
  return `0x${v.toString(16)}`;
}
