// SPDX-License-Identifier: GPL-2.0-only
// Random system calls against a booted machine: programs in the script language, and what must hold of every run.
import { group_of } from '@vfio-lab/iommu';
import { open_count, set_kasan, slab_live, slab_mark } from '@vfio-lab/kernel';
import { pci } from '@vfio-lab/pci';
import { current, machine, sleep_ns } from '@vfio-lab/sim';
import fc from 'fast-check';
import {
  bootTestbed,
  type MachineDescription,
  parseScript,
  readMachineFile,
  runScript,
  type Testbed,
  topology,
} from '../src/index.ts';
import { operation } from './fuzz-operations.ts';

/** A program: a set-up that opens devices, then random operations; all of it lines of the script language. */
export interface FuzzCase {
  /** Name of a topology, or the path of a machine file. */
  machine: string;
  revision: string;
  /** Module parameters of vfio-pci. */
  options: string;
  /** Tell of uses of freed memory, at a third of the speed. */
  kasan: boolean;
  setup: string[];
  ops: string[];
}

const isFile = (machine: string): boolean => machine.endsWith('.json');

const READ = new Map<string, MachineDescription>();

/** The machine of a case; a file is read once. */
function describe(name: string): MachineDescription {
  if (!isFile(name)) return topology(name);
  let found = READ.get(name);
  if (found === undefined) READ.set(name, (found = readMachineFile(name)));
  return found;
}

/** The case as a script that `vfio-lab run` takes. */
export function scriptOf(c: FuzzCase): string {
  const on = `--${isFile(c.machine) ? 'machine' : 'topology'} ${c.machine}`;
  const head = `# vfio-lab run <this file> ${on} --revision ${c.revision}`;
  return [head, `load_vfio ${c.options}`.trim(), ...c.setup, ...c.ops].join('\n');
}

/** The line of the script that loads the driver. */
const LOAD_LINE = 2;

const PORT_CLASS = 0x0604;

/** Addresses of the functions that vfio can have: no bridges, none that is the host's. */
export function endpointsOf(name: string): string[] {
  return describe(name)
    .devices.filter((d) => {
      const cls = (d.config[0x0b] << 8) | d.config[0x0a];
      return cls !== PORT_CLASS && cls !== 0x0600;
    })
    .map((d) => d.bdf);
}

/** The handle of each function's group: functions of one group share it. */
function groupHandles(name: string): string[] {
  const groups = endpointsOf(name).map(
    (bdf) => describe(name).devices.find((d) => d.bdf === bdf)?.iommuGroup,
  );
  return groups.map((g) => `G${groups.indexOf(g)}`);
}

/** Bind and open everything, as a monitor does. Devices are D0, D1, ..., groups G0, ... */
function setUp(name: string): string[] {
  const bdfs = endpointsOf(name);
  const groups = groupHandles(name);
  return [
    ...bdfs.map((bdf) => `bind ${bdf}`),
    'container C0',
    'container C1',
    'efd E0',
    'efd E1 3',
    ...bdfs.flatMap((bdf, i) =>
      groups[i] === `G${i}` ? [`group G${i} ${bdf}`, `set_container G${i} C0`] : [],
    ),
    'set_iommu C0 3',
    ...bdfs.map((bdf, i) => `device D${i} ${groups[i]} ${bdf}`),
    ...bdfs.map((_, i) => `wr D${i} cfg 4 2 0x7`),
  ];
}

/** Random programs on a machine: a topology by its name, or a machine file by its path. */
export function fuzzCase(
  name: string,
  revision: string,
  ops: { min: number; max: number },
): fc.Arbitrary<FuzzCase> {
  const setup = setUp(name);
  return fc.record({
    machine: fc.constant(name),
    revision: fc.constant(revision),
    options: fc
      .subarray(['disable_idle_d3=1', 'nointxmask=1', 'disable_vga=1', 'enable_sriov=1'])
      .map((o) => o.join(' ')),
    kasan: fc.boolean(),
    // Mostly everything is open; else the program starts somewhere on the way there.
    setup: fc.oneof(
      { weight: 5, arbitrary: fc.constant(setup) },
      { weight: 1, arbitrary: fc.nat(setup.length).map((n) => setup.slice(0, n)) },
    ),
    ops: fc.array(operation(endpointsOf(name), groupHandles(name)), {
      minLength: ops.min,
      maxLength: ops.max,
      size: 'max',
    }),
  });
}

/** What went wrong in a run; `problems` is empty when nothing did. */
export interface FuzzResult {
  ops: number;
  problems: string[];
}

const SETTLE_NS = 1e9;

/** A program takes some ten thousand scheduling points. */
const MOST_STEPS = 300_000;

/** Run a case on a machine of its own and check everything that must hold of it. */
export async function runCase(c: FuzzCase): Promise<FuzzResult> {
  const result = await runOnce(c, false);
  // Once more to know the C functions, which cost too much to keep otherwise.
  return result.problems.length > 0 ? runOnce(c, true) : result;
}

async function runOnce(c: FuzzCase, instrument: boolean): Promise<FuzzResult> {
  const problems: string[] = [];
  let ops = 0;
  try {
    const script = parseScript(scriptOf(c), 'fuzz.vt');
    const testbed = await bootTestbed({
      revision: c.revision,
      machine: describe(c.machine),
      ...(isFile(c.machine) && { kernel: 'v6.1.192' as const }),
      instrument,
      maxSteps: MOST_STEPS,
    });
    await testbed.machine.run(() => set_kasan(c.kasan));
    let mark = 0;
    await runScript(testbed, script, (line) => {
      ops++;
      // What the modules allocate for themselves stays as long as they do.
      if (line.n === LOAD_LINE) mark = slab_mark();
      const { rc, err } = line;
      const lawful =
        rc === undefined ||
        (rc === -1 ? /^E[A-Z0-9]+$/.test(String(err)) : Number.isInteger(rc) && (rc as number) >= 0);
      if (!lawful) problems.push(`line ${line.n}: ${line.op}: ${JSON.stringify({ rc, err })}`);
      if (current.held.length > 0)
        problems.push(
          `line ${line.n}: ${line.op}: returns with ${current.held.map((h) => h.lock.name).join(', ')} held`,
        );
      if (current.preempt_count !== 0)
        problems.push(`line ${line.n}: ${line.op}: returns with preemption off`);
    });
    await testbed.machine.run(() => checkRest(testbed, mark, problems));
    for (const f of testbed.machine.findings) {
      const fn = f.fns.at(-1);
      problems.push(`${f.kind}: ${f.text}${fn === undefined ? '' : ` [${fn}()]`}`);
    }
  } catch (error) {
    problems.push(`exception: ${(error as Error).stack ?? String(error)}`);
  }
  return { ops, problems };
}

/** With everything closed: no lock held, no file open, usage counts at rest; with all unbound, nothing allocated. */
async function checkRest(testbed: Testbed, mark: number, problems: string[]): Promise<void> {
  await sleep_ns(SETTLE_NS);
  for (const task of machine.tasks) {
    if (task.held.length > 0)
      problems.push(`${task.name} holds ${task.held.map((h) => h.lock.name).join(', ')} at rest`);
  }
  const { files } = testbed.process;
  if (files !== null && open_count(files) !== 0)
    problems.push(`${open_count(files)} files are open after exit`);
  for (const bdf of testbed.boundDevices()) {
    const { power } = testbed.pciDevice(bdf).dev;
    const count = power.usage_count.counter;
    const rest = testbed.restingCount();
    if (count !== rest) problems.push(`${bdf}: usage count ${count} at rest, not ${rest}`);
  }
  await testbed.unbindAll();
  await sleep_ns(SETTLE_NS);
  // An IOMMU group keeps its blocking domain for its next owner.
  const groups = new Set(pci().devices.map((d) => group_of(d.dev)));
  let kept = [...groups].filter((g) => g?.blocking_domain).length;
  for (const a of slab_live(mark)) {
    if (a.what === 'iommu_domain' && kept-- > 0) continue;
    problems.push(`${a.what} is never freed`);
  }
}

/** What a run may show because the real driver does the same. */
export const KNOWN_DEFECTS: readonly {
  problem: RegExp;
  /** What the program must have in it. */
  script?: RegExp;
  reason: string;
}[] = [
  {
    problem: /^oops: NULL pointer dereference: eventfd_signal\(\) of vfio_send_intx_eventfd\(\)/,
    reason:
      'The eventfd of INTx can be taken away while INTx stays on, and unmasking with the line asserted then signals ' +
      'a NULL context. Real kernels had this until v6.9 (CVE-2024-26812).',
  },
  {
    // It takes 100,000 interrupts to be told, more than a program here may have.
    problem: /^irq-storm: irq \d+: nobody cared|^exception: Error: no end after \d+ points: irq\//,
    reason:
      'A device that is told to assert INTx while its own INTx is not set up keeps the shared line asserted; the ' +
      'handlers of the others disown it, and the kernel turns the line off.',
  },
  {
    problem: /^WARN_ON: WARN_ON at chip\.ts:\d+/,
    reason:
      'With nointxmask, INTx without an eventfd has no handler, and clearing DisINTx enables its line all the same: ' +
      '__irq_startup() warns of a line that is not activated. Gone since the handler stays (CVE-2024-26812).',
  },
  {
    problem: /^exception: Error: no end after \d+ points: /,
    script: /DEFD\|UNMASK intx/,
    reason:
      'One eventfd is both the trigger and the unmask of INTx: while the device asserts it, every signal unmasks, and ' +
      'every unmask signals. The worker, or with nointxmask the interrupt, never rests, on a real kernel too.',
  },
  {
    problem: /^d3cold-access: config (?:read|write) of .* \[vfio_pci_intx_unmask_handler\(\)\]$/,
    reason:
      'An unmask eventfd that is signalled while the device sleeps runs the handler at once, with no runtime-PM ' +
      'reference: the mask that the suspend left is checked in the config space of a device without power.',
  },
  {
    problem:
      /^lockdep-inversion: (?:&vdev->memory_lock -> &vdev->igate|&vdev->igate -> &vdev->memory_lock) here/,
    script: /--revision v4(?:@6)?$/m,
    reason:
      'v4 6/6 takes igate in its resume callback under memory_lock; SET_IRQS takes memory_lock under igate. Later ' +
      'revisions do not take igate there.',
  },
  {
    problem: /^d3hot-access: port (?:read|write) of /,
    reason: 'Only memory BARs are checked for a device that answers; I/O BARs are passed on in every state.',
  },
];

export interface FuzzReport {
  cases: number;
  ops: number;
  /** Number of cases that showed each known defect, by its kind. */
  known: Map<string, number>;
  /** null: nothing was found. */
  failure: { script: string; problems: string[]; seed: number } | null;
}

/** Programs of this many operations. */
const CASE = { min: 40, max: 200 };

function defectOf(problem: string, script: string): (typeof KNOWN_DEFECTS)[number] | undefined {
  return KNOWN_DEFECTS.find((d) => d.problem.test(problem) && (d.script?.test(script) ?? true));
}

/** Problems that are no known defect. */
function freshProblems(problems: readonly string[], c: FuzzCase): string[] {
  const script = scriptOf(c);
  return problems.filter((p) => defectOf(p, script) === undefined);
}

/** What a problem is, without the numbers that differ from program to program. */
const kindOf = (problem: string): string => problem.replace(/^line \d+: .*?: /, '').replace(/:.*$/s, '');

/** Leave out every line that the failure does not need, until none can go. */
async function withoutIdleLines(c: FuzzCase, kind: string): Promise<FuzzCase> {
  let best = c;
  const fails = async (t: FuzzCase): Promise<boolean> =>
    freshProblems((await runCase(t)).problems, t).some((p) => kindOf(p) === kind);
  for (let again = true; again;) {
    again = false;
    for (const part of ['ops', 'setup'] as const) {
      for (let size = Math.max(1, best[part].length >> 1); size >= 1; size >>= 1) {
        for (let i = 0; i < best[part].length;) {
          const shorter = { ...best, [part]: best[part].toSpliced(i, size) };
          if (await fails(shorter)) {
            best = shorter;
            again = true;
          } else {
            i += size;
          }
        }
      }
    }
  }
  return best;
}

/**
 * Run about `ops` operations on one machine. The first program that goes wrong is made as short as it can be: its
 * values by fast-check, for at most `budget` ms, then its lines.
 *
 * @param seed decides everything
 */
export async function fuzz(
  name: string,
  revision: string,
  ops: number,
  seed: number,
  budget = 10_000,
): Promise<FuzzReport> {
  const report: FuzzReport = { cases: 0, ops: 0, known: new Map(), failure: null };
  for (let round = 0; report.ops < ops && report.failure === null; round++) {
    // Few programs at a time: their real length is known only afterwards.
    const numRuns = Math.max(1, Math.min(100, Math.ceil((ops - report.ops) / CASE.max)));
    const roundSeed = (seed + 0x9e3779b1 * round) | 0;
    let failed = 0;
    let kind = '';
    const property = fc.asyncProperty(fuzzCase(name, revision, CASE), async (c) => {
      if (failed > 0 && Date.now() - failed > budget) return true;
      const r = await runCase(c);
      const fresh = freshProblems(r.problems, c);
      if (failed === 0) {
        report.cases++;
        report.ops += r.ops;
        const script = scriptOf(c);
        for (const kind of new Set(r.problems.filter((p) => defectOf(p, script)).map(kindOf))) {
          report.known.set(kind, (report.known.get(kind) ?? 0) + 1);
        }
        if (fresh.length > 0) {
          failed = Date.now();
          kind = kindOf(fresh[0]);
        }
      }
      return !fresh.some((p) => kindOf(p) === kind);
    });
    const details = await fc.check(property, { numRuns, seed: roundSeed, endOnFailure: false });
    if (details.failed && details.counterexample !== null) {
      const c = await withoutIdleLines(details.counterexample[0], kind);
      report.failure = {
        script: scriptOf(c),
        problems: freshProblems((await runCase(c)).problems, c),
        seed: roundSeed,
      };
    }
  }
  return report;
}
