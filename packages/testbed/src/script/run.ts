// SPDX-License-Identifier: GPL-2.0-only
import { current, machine, sleep_ns, spawn } from '@vfio-lab/sim';
import type { Testbed } from '../boot.ts';
import type { Fields } from './ops.ts';
import type { Script, ScriptOp } from './parse.ts';
import { Session } from './session.ts';

/** One line of a trace: script line, the operation, its result fields, and `kmsg` when the kernel logged something. */
export interface TraceLine extends Fields {
  n: number;
  op: string;
}

/**
 * Time between two operations, as the recorder took it. Opening a file of sysfs takes long enough for workers on other
 * processors to finish what is queued; printing the struct of an ioctl long enough for a worker to start; between two
 * plain reads or writes no worker wakes up.
 */
function gapBefore(op: ScriptOp, last: ScriptOp | null): number {
  if (op.spec.host === true) return 150e3;
  return last !== null && PLAIN.has(last.spec.name) ? 20e3 : 60e3;
}

const PLAIN = new Set(['rd', 'wr', 'wrb', 'mrd', 'mwr', 'efd_rd', 'efd_wr']);

/** The next operation starts so long after one in the background did. */
const BACKGROUND_HEAD_START_NS = 50e6;

/**
 * Run a script on a booted testbed as its user process; `emit` gets every line when its operation has finished.
 * At the end the process exits: everything it had open is closed.
 */
export async function runScript(
  testbed: Testbed,
  script: Script,
  emit: (line: TraceLine) => void,
): Promise<void> {
  await testbed.asUser(async () => {
    const session = new Session(testbed);
    let logged = machine.log.length;
    const run = async (op: ScriptOp): Promise<void> => {
      const fields = await op.spec.run(session, op.args);
      const kmsg = machine.log.slice(logged);
      logged = machine.log.length;
      const line: TraceLine = { n: op.n, op: op.op, ...fields };
      if (op.bg !== undefined) line.bg = op.bg;
      if (kmsg.length > 0) line.kmsg = kmsg;
      emit(line);
    };
    let last: ScriptOp | null = null;
    for (const op of script.ops) {
      if (op.bg === undefined) {
        await sleep_ns(gapBefore(op, last));
        last = op;
        await run(op);
        continue;
      }
      session.background.set(
        op.bg,
        spawn(`bg/${op.bg}`, () => run(op), { process: current.process }),
      );
      await sleep_ns(BACKGROUND_HEAD_START_NS);
    }
    await testbed.exitProcess();
  });
}
