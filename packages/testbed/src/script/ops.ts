// SPDX-License-Identifier: GPL-2.0-only
// The table of operations of the script language; the groups are in files of their own.
import type { Session } from './session.ts';
import type { Args } from './parse.ts';
import { containerOps } from './ops-container.ts';
import { deviceOps } from './ops-device.ts';
import { hostOps } from './ops-host.ts';
import { memoryOps } from './ops-memory.ts';
import { miscOps } from './ops-misc.ts';

export type ArgType =
  | 'name'
  | 'text'
  | 'word'
  | 'list'
  | 'bdf'
  | 'num'
  | 'length'
  | 'ms'
  | 'u64'
  | 'flags'
  | 'region'
  | 'irq'
  | 'hex';

/** Result fields of an operation, in the order in which they are printed. */
export type Fields = Record<string, unknown>;

export interface OpSpec {
  readonly name: string;
  /** Positional arguments in order; a name that ends in `?` may be left out. */
  readonly args: Readonly<Record<string, ArgType>>;
  /** Arguments written `key=value` or `key:value`; type `word`: the bare word. */
  readonly options?: Readonly<Record<string, ArgType>>;
  /** Options that are written with a colon, for the usage line. */
  readonly colon?: readonly string[];
  /** The rest of the line as one argument of this name. */
  readonly rest?: string;
  /** Goes through files of the host, not through system calls on VFIO. */
  readonly host?: boolean;
  run(s: Session, a: Args): Promise<Fields>;
}

export const OPS: ReadonlyMap<string, OpSpec> = new Map(
  [
    ...hostOps.map((spec) => ({ ...spec, host: true })),
    ...containerOps,
    ...deviceOps,
    ...memoryOps,
    ...miscOps,
  ].map((spec) => [spec.name, spec]),
);
