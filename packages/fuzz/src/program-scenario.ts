// SPDX-License-Identifier: GPL-2.0-only
import { defineScenario, type Lab, type Scenario } from '@vfio-lab/scenarios';
import { current, machine, Obj, report, sleep_ns, trace, wait_until } from '@vfio-lab/sim';
import { checkInUse, type Fields, type ScriptOp, Session } from '@vfio-lab/testbed';
import { type Device, devicesOf } from './devices.ts';
import { parseLines } from './operations.ts';
import { isUserTask, type Program } from './program.ts';

/** What the tasks of a program share. */
interface State {
  session: Session;
  /** Waited for by the task that ends the process. */
  ending: Obj;
  /** User tasks that have not ended. */
  left: number;
}

/** What an operation came to, in words: 'ok', a number, an errno, a signal. */
function words(fields: Fields): string {
  if (typeof fields.signal === 'string') return fields.signal;
  if (typeof fields.err === 'string') return fields.err;
  if (typeof fields.error === 'string') return fields.error;
  return typeof fields.rc !== 'number' || fields.rc === 0 ? 'ok' : String(fields.rc);
}

/** Of a system call whatever it answers, some things must hold: a lawful result, no lock held, preemption on. */
function checkReturn(op: ScriptOp, { rc, err }: Fields): void {
  const lawful =
    rc === undefined ||
    (rc === -1 ? /^E[A-Z0-9]+$/.test(String(err)) : Number.isInteger(rc) && Number(rc) >= 0);
  if (!lawful) report('bad-result', `${op.spec.name} returns ${JSON.stringify({ rc, err })}`);
  if (current.held.length > 0)
    report(
      'lock-held-at-return',
      `${op.spec.name} returns with ${current.held.map((h) => h.lock.name).join(', ')} held`,
    );
  if (current.preempt_count !== 0) report('preempt-at-return', `${op.spec.name} returns with preemption off`);
}

async function perform(lab: Lab, session: Session, op: ScriptOp): Promise<void> {
  if (machine.tracing) trace('user', op.op);
  const fields = await op.spec.run(session, op.args);
  checkReturn(op, fields);
  lab.saw(`${op.op}: ${words(fields)}`);
}

/** All mappings and files of a program are given back, in the order in which a process does that. */
async function closeAll(lab: Lab, { session }: State): Promise<void> {
  for (const [name, map] of session.mappings) {
    session.mappings.delete(name);
    if (map !== null) await session.user.munmap(map.addr, map.length);
  }
  for (const [fd, slot] of (lab.testbed.process.files?.slots ?? []).entries()) {
    if (slot.file === null) continue;
    if (machine.tracing) trace('user', `close ${fd} ${slot.file.name}`);
    await session.user.close(fd);
  }
}

/** Longer than anything sleeps that is not waiting for the user's last close. */
const REST_NS = 2e9;

/** With everybody at rest, and before anything is closed. */
async function checkAtRest(lab: Lab): Promise<void> {
  await sleep_ns(REST_NS);
  machine.peek(() => {
    checkInUse(lab.testbed);
    for (const bdf of lab.testbed.boundDevices()) {
      const { count, status } = lab.state(bdf);
      if (count === 0 && status !== 'suspended')
        report('awake-at-rest', `${bdf} is ${status} although nothing holds it awake`);
    }
  });
}

/** Settings of the host that keep a device awake or in use, back to what they were at boot. */
async function resetHost(lab: Lab, devices: readonly Device[]): Promise<void> {
  for (const { bdf, sriov } of devices) {
    const folder = `/sys/bus/pci/devices/${bdf}`;
    await lab.testbed.sysfsWrite(`${folder}/power/control`, 'auto');
    if (sriov) await lab.testbed.sysfsWrite(`${folder}/sriov_numvfs`, '0');
  }
}

/**
 * A program as a scenario. Its tasks run at once, and with them one that waits for the user's to end and then closes
 * everything, so that a host that waits for the last close gets it.
 *
 * @param booted told of the machine whenever there is a new one
 */
export function scenarioOf(program: Program, booted: (lab: Lab) => void = () => undefined): Scenario {
  const devices = devicesOf(program.topology);
  const setup = parseLines(program.setup, 'setup');
  const tasks = program.tasks.map((t) => ({ name: t.name, ops: parseLines(t.ops, t.name) }));
  const programs: Record<string, (lab: Lab, state: State) => Promise<void>> = {};
  for (const { name, ops } of tasks) {
    programs[name] = async (lab, state) => {
      try {
        for (const op of ops) await perform(lab, state.session, op);
      } finally {
        // Also when it dies of a BUG.
        if (isUserTask(name)) state.left--;
      }
    };
  }
  programs.exit = async (lab, state) => {
    await wait_until(state.ending, () => state.left === 0);
    if (program.rest === true) await checkAtRest(lab);
    await closeAll(lab, state);
  };
  return defineScenario<State>({
    name: 'program',
    about: 'A random program',
    topology: program.topology,
    options: program.options,
    async setup(lab) {
      booted(lab);
      const session = new Session(lab.testbed);
      for (const op of setup) await perform(lab, session, op);
      await lab.settle();
      for (const bdf of lab.testbed.boundDevices()) lab.watchSuspends(bdf);
      return { session, ending: new Obj('exit'), left: tasks.filter((t) => isUserTask(t.name)).length };
    },
    programs,
    // What the host has set is no business of the user's: it does not count as left over.
    check: (lab) => lab.host(() => resetHost(lab, devices)),
  });
}
