// SPDX-License-Identifier: GPL-2.0-only
import { type Finding, sleep_ns } from '@vfio-lab/sim';
import { checkClosed, checkInUse, checkUnbound } from '../at-rest.ts';
import type { Testbed } from '../boot.ts';
import type { Script } from './parse.ts';
import { runScript, type TraceLine } from './run.ts';

/** Long enough for every worker, autosuspend and D3cold entry to be through. */
const SETTLE_NS = 1e9;

/**
 * As runScript(), with all checkers: afterwards the machine comes to rest, and the devices are unbound.
 *
 * @returns what the checkers found, in order
 */
export async function runScriptChecked(
  testbed: Testbed,
  script: Script,
  emit: (line: TraceLine) => void,
): Promise<readonly Finding[]> {
  await runScript(testbed, script, emit, new Map(), async () => {
    await sleep_ns(SETTLE_NS);
    checkInUse(testbed);
  });
  if (testbed.driverLoaded) {
    await testbed.machine.run(async () => {
      await sleep_ns(SETTLE_NS);
      checkClosed(testbed, testbed.mark);
      await testbed.unbindAll();
      checkUnbound(testbed.mark);
    }, 'at rest');
  }
  return testbed.machine.findings;
}
