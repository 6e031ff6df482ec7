// SPDX-License-Identifier: GPL-2.0-only
// Runs recorded scripts on the machines that they were recorded on, and compares.
import { readFileSync } from 'node:fs';
import { InputError, sleep_ns } from '@vfio-lab/sim';
import { bootTestbed, type Testbed } from './boot.ts';
import { compareTraces, type Comparison, readTrace, volatileLines } from './compare.ts';
import { type MachineDescription, readMachineFile } from './machine-file.ts';
import { exceptedLines } from './recording-exceptions.ts';
import { earlierInBoot, isSharedBoot, type ReplayRequest } from './replay-index.ts';
import { parseScript, type Script } from './script/parse.ts';
import { runScript, type TraceLine } from './script/run.ts';
import { fitTimes, type Times } from './script/times.ts';

/** A comparison, and where it needed other times between two operations than usual. */
export interface Replayed extends Comparison {
  /** Script lines, and how long the recorder must have taken before each, in ns. */
  times: { n: number; ns: number }[];
}

const BETWEEN_SCRIPTS_NS = 1e9;

interface Ran {
  script: Script;
  times: Times;
}

interface Attempt extends Comparison {
  times: Times;
  testbed: Testbed;
}

/**
 * The scripts that were recorded in one boot, replayed one after the other on one machine: what a script leaves behind
 * (registers of devices, wires that they pull) is there for the next.
 */
export class RecordedBoot {
  private readonly machine: MachineDescription;
  private readonly revision: string;
  private readonly ran: Ran[] = [];
  /** Where the last script left the machine; null: to be done again. */
  private live: Testbed | null = null;

  /** Throws InputError for a fault in the machine file. */
  constructor(machineFile: string, revision: string) {
    this.machine = readMachineFile(machineFile);
    this.revision = revision;
  }

  /**
   * Run the next script and compare it with its recording. Throws InputError for a fault in a file; the boot then goes
   * on without that script.
   */
  async replay(request: ReplayRequest): Promise<Replayed> {
    const recorded = readTrace(request.against);
    const script = parseScript(readText(request.script), request.script);
    const sharedBoot = isSharedBoot(request);
    const opts = {
      volatile: volatileLines(request.script),
      excepted: exceptedLines(request),
      sharedBoot,
    };
    const attempt = async (times: Times): Promise<Attempt> => {
      const testbed = this.live ?? (await this.again());
      this.live = null;
      const ours: TraceLine[] = [];
      await runScript(testbed, script, (line) => ours.push(line), times);
      return { ...compareTraces(ours, recorded, opts), times, testbed };
    };
    const lines = script.ops.map((op) => op.n);
    let best = await fitTimes(lines, attempt);
    if (best.differences.length > 0 && this.ran.length > 0) {
      // The recorder may have booted anew here: nothing says that it did not.
      const before = this.ran.splice(0);
      const fresh = await fitTimes(lines, attempt);
      if (fresh.differences.length < best.differences.length) best = fresh;
      else this.ran.push(...before);
    }
    await tidyUp(best.testbed);
    this.ran.push({ script, times: best.times });
    this.live = best.testbed;
    const { equal, compared, differences, excepted } = best;
    return {
      equal,
      compared,
      differences,
      excepted,
      times: [...best.times].map(([n, ns]) => ({ n, ns })).sort((a, b) => a.n - b.n),
    };
  }

  /** The machine after the scripts that ran so far, from the beginning. */
  private async again(): Promise<Testbed> {
    const testbed = await bootTestbed({
      revision: this.revision,
      machine: this.machine,
      kernel: 'v6.1.192',
    });
    for (const { script, times } of this.ran) {
      await runScript(testbed, script, () => {}, times);
      await tidyUp(testbed);
    }
    return testbed;
  }
}

/** What the recorder did after a script: it gave the devices back, removed the modules, and started anew. */
async function tidyUp(testbed: Testbed): Promise<void> {
  await testbed.machine.run(async () => {
    for (const bdf of testbed.boundDevices())
      await testbed.sysfsWrite(`/sys/bus/pci/devices/${bdf}/driver_override`, '\n');
    await testbed.unloadVfio();
    testbed.restartProcess();
    await sleep_ns(BETWEEN_SCRIPTS_NS);
  }, 'recorder');
}

/**
 * Run a script on the machine of a recording, after those that ran before it in the same boot, and compare. Throws
 * InputError for a fault in a file.
 */
export async function replay(request: ReplayRequest): Promise<Replayed> {
  const boot = new RecordedBoot(request.machine, request.revision);
  for (const earlier of earlierInBoot(request)) await boot.replay(earlier);
  return boot.replay(request);
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new InputError('cannot be read', file, 'check the path');
  }
}
