// SPDX-License-Identifier: GPL-2.0-only
import { is_intx } from '@vfio-lab/headers';
import { group_of } from '@vfio-lab/iommu';
import { irq_to_desc } from '@vfio-lab/irq';
import { slab_live, slab_mark } from '@vfio-lab/kernel';
import { pci, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, PCI_D0 } from '@vfio-lab/pci';
import {
  type Finding,
  join,
  machine,
  type Policy,
  RandomPolicy,
  ReplayPolicy,
  report,
  RunToBlock,
  spawn,
  type TraceEvent,
  trace,
} from '@vfio-lab/sim';
import { bootTestbed } from '@vfio-lab/testbed';
import { Lab } from './lab.ts';
import type { Scenario } from './scenario.ts';

/** Which schedule the programs run under. */
export type Schedule =
  | { kind: 'default' }
  | { kind: 'random'; seed: number }
  | { kind: 'replay'; token: string }
  | { kind: 'policy'; policy: Policy };

export interface RunOptions {
  revision: string;
  schedule?: Schedule;
  tracing?: boolean;
}

export interface ScenarioRun {
  scenario: string;
  revision: string;
  /** What the user saw, as one string. */
  outcome: string;
  findings: Finding[];
  /** The schedule of the programs as a token; '' under the default. */
  schedule: string;
  /** For a replay: the decision at which it left the recorded schedule, -1 when it did not. */
  leftAt: number;
  events: TraceEvent[];
  log: string[];
  /** Virtual ns from boot to the end. */
  duration: number;
}

function policyOf(schedule: Schedule): Policy {
  if (schedule.kind === 'random') return new RandomPolicy(schedule.seed);
  if (schedule.kind === 'replay') return new ReplayPolicy(schedule.token);
  if (schedule.kind === 'policy') return schedule.policy;
  return new RunToBlock();
}

/**
 * Run a scenario once. Never throws for what the simulated kernel does; an unknown revision or topology is an
 * InputError.
 */
export async function runScenario(scenario: Scenario, opts: RunOptions): Promise<ScenarioRun> {
  const schedule = opts.schedule ?? { kind: 'default' };
  const policy = policyOf(schedule);
  const tracing = opts.tracing ?? false;
  const testbed = await bootTestbed({
    topology: scenario.topology,
    revision: opts.revision,
    tracing,
    options: scenario.options ?? '',
  });
  const lab = new Lab(testbed);
  let token = '';
  let ended = false;
  await testbed.asUser(async () => {
    await testbed.loadVfio();
    const mark = slab_mark();
    const state = await scenario.setup(lab);
    machine.policy = policy;
    machine.restart_recording();
    trace('phase', 'programs');
    const tasks = Object.entries(scenario.programs ?? {}).map(([name, program]) =>
      spawn(name, () => program(lab, state), { process: testbed.process }),
    );
    for (const task of tasks) await join(task);
    token = machine.schedule;
    machine.policy = new RunToBlock();
    lab.endWatches();
    lab.phase = 'check';
    trace('phase', 'check');
    await lab.settle();
    await scenario.check?.(lab, state);
    checkIntx(testbed.boundDevices(), lab);
    trace('phase', 'exit');
    await testbed.exitProcess();
    await lab.settle();
    checkRest(testbed.boundDevices(), lab);
    await testbed.unbindAll();
    checkLeaks(mark);
    ended = true;
  });
  const m = testbed.machine;
  return {
    scenario: scenario.name,
    revision: opts.revision,
    outcome: ended ? lab.outcome() || 'ok' : unfinished(lab, m.findings),
    findings: m.findings,
    schedule: ended ? token : m.schedule,
    leftAt: policy instanceof ReplayPolicy ? policy.left_at : -1,
    events: m.events,
    log: m.log,
    duration: m.clock.now,
  };
}

function unfinished(lab: Lab, findings: readonly Finding[]): string {
  const why = findings.some((f) => f.kind === 'deadlock') ? 'deadlock' : 'did not end';
  return [lab.outcome(), why].filter((words) => words !== '').join('; ');
}

/** INTx of a device in use: what the driver believes is masked, and what the hardware and the line say. */
function checkIntx(bdfs: string[], lab: Lab): void {
  for (const bdf of bdfs) {
    const vdev = lab.vdev(bdf);
    const { pdev } = vdev;
    // Asleep, the masks are in the saved state.
    if (!is_intx(vdev) || lab.state(bdf).status !== 'active' || pdev.hw.hw_state() !== PCI_D0) continue;
    const { masked } = vdev.ctx[0];
    const off = (pdev.hw.get16(PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE) !== 0;
    const depth = irq_to_desc(pdev.irq)?.depth ?? 0;
    if (vdev.pci_2_3 && off !== masked) {
      report(
        'intx-state',
        `${bdf}: the driver has INTx ${masked ? 'masked' : 'unmasked'}, DisINTx is ${off ? 1 : 0}`,
      );
    }
    if (depth !== (!vdev.pci_2_3 && masked ? 1 : 0)) {
      report(
        'intx-state',
        `${bdf}: the driver has INTx ${masked ? 'masked' : 'unmasked'}, irq ${pdev.irq} is disabled ${depth} times`,
      );
    }
    if (vdev.virq_disabled && !masked)
      report('intx-state', `${bdf}: the guest has set DisINTx, and INTx is not masked`);
  }
}

/** After the last close a device holds no reference of ours (one with disable_idle_d3), and nothing is engaged. */
function checkRest(bdfs: string[], lab: Lab): void {
  for (const bdf of bdfs) {
    const { count, engaged } = lab.state(bdf);
    const rest = lab.testbed.restingCount();
    if (count !== rest) report('usage-count', `${bdf}: usage count ${count} at rest, not ${rest}`);
    if (engaged) report('usage-count', `${bdf}: low power is still engaged after close`);
  }
}

/** With no device bound to vfio-pci any more, nothing that was allocated since `mark` has an owner. */
function checkLeaks(mark: number): void {
  // An IOMMU group keeps its blocking domain for its next owner.
  const groups = new Set(pci().devices.map((d) => group_of(d.dev)));
  let kept = [...groups].filter((g) => g?.blocking_domain).length;
  for (const a of slab_live(mark)) {
    if (a.what === 'iommu_domain' && kept-- > 0) continue;
    report('leak', `${a.what} allocated in ${a.fn || 'the kernel'} is never freed`);
  }
}

/** What many schedules of one scenario came to. */
export interface SearchResult {
  runs: number;
  /** How often each outcome came. */
  outcomes: Map<string, number>;
  /** Per kind of finding: how often, and the first run that had it. */
  findings: Map<string, { runs: number; first: ScenarioRun; seed: number }>;
}

/**
 * Run a scenario under random schedules with the seeds from, from + 1, ... Stops early when `stop` says so (asked
 * between runs), and then reports what it has.
 */
export async function searchRandom(
  scenario: Scenario,
  revision: string,
  runs: number,
  opts: { from?: number; stop?: (done: number, result: SearchResult) => boolean | Promise<boolean> } = {},
): Promise<SearchResult> {
  const result: SearchResult = { runs: 0, outcomes: new Map(), findings: new Map() };
  const from = opts.from ?? 0;
  for (let seed = from; seed < from + runs; seed++) {
    if ((await opts.stop?.(result.runs, result)) === true) break;
    const run = await runScenario(scenario, { revision, schedule: { kind: 'random', seed } });
    result.runs++;
    result.outcomes.set(run.outcome, (result.outcomes.get(run.outcome) ?? 0) + 1);
    for (const kind of new Set(run.findings.map((f) => f.kind))) {
      const entry = result.findings.get(kind);
      if (entry === undefined) result.findings.set(kind, { runs: 1, first: run, seed });
      else entry.runs++;
    }
  }
  return result;
}
