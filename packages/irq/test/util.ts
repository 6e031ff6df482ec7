// SPDX-License-Identifier: GPL-2.0-only
import { Machine } from '@vfio-lab/sim';
import type { Policy } from '@vfio-lab/sim';
import { Lockdep } from '@vfio-lab/locking';
import { expect } from 'vitest';
import { irq_desc_state, type irq_state } from '../src/index.ts';

/** Run a program on a machine of its own, lockdep watching, and hand the machine back. */
export async function boot(main: () => Promise<void>, policy?: Policy): Promise<Machine> {
  const m = new Machine({ policy });
  m.lock_observer = new Lockdep();
  await m.run(main);
  return m;
}

/** As boot, and nothing may be found. */
export async function clean(main: () => Promise<void>, policy?: Policy): Promise<Machine> {
  const m = await boot(main, policy);
  expect(m.findings).toEqual([]);
  return m;
}

/** The state of a line that must be there. */
export function state(irq: number): irq_state {
  const s = irq_desc_state(irq);
  if (s === null) throw new Error(`no irq ${irq}`);
  return s;
}

export function kinds(m: Machine): string[] {
  return m.findings.map((f) => f.kind);
}
