// SPDX-License-Identifier: GPL-2.0-only
import type { Kernel } from '@vfio-lab/headers';
import { Machine } from '@vfio-lab/sim';
import { vfio, virqfd } from '../src/index.ts';

const { statics: vfio_statics, ...vfio_functions } = vfio;
const { statics: virqfd_statics, ...virqfd_functions } = virqfd;

/** vfio.ko with virqfd.c, loaded into the running machine; the init functions have not run. */
export function load(): Kernel {
  const k = Object.create({ ...vfio_functions, ...virqfd_functions }) as Kernel;
  Object.assign(k, vfio_statics(k));
  Object.assign(k, virqfd_statics(k));
  return k;
}

/** Run a test on a machine of its own. Whatever a checker reports fails it. */
export async function onMachine(
  fn: (k: Kernel) => Promise<void> | void,
  expected: readonly string[] = [],
): Promise<Machine> {
  const machine = new Machine({});
  let failure: unknown;
  await machine.run(async () => {
    try {
      await fn(load());
    } catch (error) {
      failure = error;
    }
  });
  if (failure !== undefined) throw failure as Error;
  const kinds = machine.findings.map((f) => f.kind);
  if (kinds.join() !== expected.join()) {
    throw new Error(`findings: ${machine.findings.map((f) => `${f.kind}: ${f.text}`).join('; ')}`);
  }
  return machine;
}
