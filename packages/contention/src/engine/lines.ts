// SPDX-License-Identifier: GPL-2.0-only
import type { Op } from '@vfio-lab/sim';
import type { Costs } from '../costs.ts';

/** A cache line: who has it, and until when it is on its way. One an object. */
export class Line {
  owner = -1;
  free_at = 0;
  /** Processors that have a copy since the last write. */
  readonly sharers = new Set<number>();
}

/**
 * When an operation on the line is over that a processor asks for at `now`: a line that another processor has comes first,
 * and those that want the same line come one after the other.
 */
export function lineAccess(line: Line, op: Op, cpu: number, now: number, base: number, costs: Costs): number {
  // Taking or leaving a lock changes its count, also for a reader.
  const write = op.write || op.kind === 'lock' || op.kind === 'unlock' || op.kind === 'trylock';
  if (line.owner === cpu && (!write || line.sharers.size === 0)) {
    const done = (line.free_at > now ? line.free_at : now) + base;
    if (write) line.free_at = done;
    return done;
  }
  if (!write && line.sharers.has(cpu)) return now + base;
  const first = line.owner < 0 && line.sharers.size === 0;
  const start = line.free_at > now ? line.free_at : now;
  const done = start + base + (first ? 0 : costs.line_transfer);
  if (write) {
    line.owner = cpu;
    line.sharers.clear();
    line.free_at = done;
  } else {
    line.sharers.add(cpu);
  }
  return done;
}
