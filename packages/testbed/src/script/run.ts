// SPDX-License-Identifier: GPL-2.0-only
import { current, machine, sleep_ns, spawn } from '@vfio-lab/sim';
import type { Testbed } from '../boot.ts';
import type { Fields } from './ops.ts';
import type { Script, ScriptOp } from './parse.ts';
import { Session } from './session.ts';
import { type Times, usualTime } from './times.ts';

/** One line of a trace: script line, the operation, its result fields, and `kmsg` when the kernel logged something. */
export interface TraceLine extends Fields {
  n: number;
  op: string;
}

/** The next operation starts so long after one in the background did. */
const BACKGROUND_HEAD_START_NS = 50e6;

/**
 * Run a script on a booted testbed as its user process; `emit` gets every line when its operation has finished.
 * At the end the process exits: everything it had open is closed. `times` are used in place of the usual ones;
 * `beforeExit` runs when the last operation is done, as the user process.
 */
export async function runScript(
  testbed: Testbed,
  script: Script,
  emit: (line: TraceLine) => void,
  times: Times = new Map(),
  beforeExit: () => Promise<void> = () => Promise.resolve(),
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
      await sleep_ns(times.get(op.n) ?? usualTime(op, last));
      last = op;
      if (op.bg === undefined) {
        await run(op);
        continue;
      }
      session.background.set(
        op.bg,
        spawn(`bg/${op.bg}`, () => run(op), { process: current.process }),
      );
      await sleep_ns(BACKGROUND_HEAD_START_NS);
    }
    await beforeExit();
    await testbed.exitProcess();
  });
}
