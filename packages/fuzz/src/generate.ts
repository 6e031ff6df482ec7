// SPDX-License-Identifier: GPL-2.0-only
// Random programs: most calls valid, and about few subjects at a time, so that what is concurrent also meets.
import { topologyNames } from '@vfio-lab/testbed';
import fc from 'fast-check';
import { type Calls, deviceEvents, hostCalls, type SubjectName, SUBJECTS } from './calls.ts';
import { type Device, devicesOf } from './devices.ts';
import { type Program, type ProgramTask, USER } from './program.ts';

/** Machines that programs run on, and how often. The sixteen cards of another add nothing but time. */
const TOPOLOGIES: Readonly<Record<string, number>> = {
  'shared-intx': 4,
  'own-power': 4,
  gpu: 3,
  nosoftrst: 2,
  sriov: 2,
  'no-pm': 1,
  ports: 1,
};

/** How often each subject comes when it is not one of a program's own; those come OWN times as often. */
const WEIGHTS: Readonly<Record<SubjectName, number>> = {
  lowPower: 3,
  intx: 3,
  messages: 1,
  reset: 1,
  memory: 2,
  files: 1,
  others: 1,
  wrong: 1,
};
const OWN = 6;

/** Bind and open every device, as a monitor does, in one container, with memory decode and bus master on. */
function openAll(devices: readonly Device[]): string[] {
  const first = devices.filter((d) => d.group === `G${d.handle.slice(1)}`);
  return [
    ...devices.map((d) => `bind ${d.bdf}`),
    'container C0',
    ...first.flatMap((d) => [`group ${d.group} ${d.bdf}`, `set_container ${d.group} C0`]),
    'set_iommu C0 3',
    ...devices.map((d) => `device ${d.handle} ${d.group} ${d.bdf}`),
    ...devices.map((d) => `wr ${d.handle} cfg 4 2 6`),
    'efd E0',
    'efd E1',
    'efd E2',
    'efd E3',
    'efd E4',
  ];
}

/** What a guest has mostly turned on by the time that it does anything of interest. */
function turnedOn(d: Device): fc.Arbitrary<string[]> {
  const D = d.handle;
  const intx = [`set_irqs ${D} DEFD|TRIGGER intx 0 1 efd:E0`, `set_irqs ${D} DEFD|UNMASK intx 0 1 efd:E2`];
  const msi = [`set_irqs ${D} DEFD|TRIGGER msi 0 1 efd:E0`];
  const others = [
    `set_irqs ${D} DEFD|TRIGGER req 0 1 efd:E4`,
    `set_irqs ${D} DEFD|TRIGGER 5 0 1 efd:E4`,
    `mmap M0 ${D} bar0 0 0x1000 rw`,
    `lp_enter ${D}`,
  ];
  const interrupt = fc.oneof(
    { weight: d.intx ? 4 : 0, arbitrary: fc.subarray(intx) },
    { weight: d.msi === 0 ? 0 : 2, arbitrary: fc.constant(msi) },
    { weight: 1, arbitrary: fc.constant<string[]>([]) },
  );
  return fc.tuple(interrupt, fc.subarray(others)).map((parts) => parts.flat());
}

function optionsOf(devices: readonly Device[]): fc.Arbitrary<string> {
  const sriov = devices.some((d) => d.sriov) ? ['enable_sriov=1'] : [];
  return fc
    .tuple(
      fc.constantFrom(...sriov, ''),
      fc.oneof(
        { weight: 8, arbitrary: fc.constant('') },
        { weight: 3, arbitrary: fc.constant('nointxmask=1') },
        { weight: 1, arbitrary: fc.constant('disable_idle_d3=1') },
      ),
    )
    .map((words) => words.filter((w) => w !== '').join(' '));
}

/** Calls of a thread: of one device mostly, about the program's own subjects mostly. */
function userCalls(devices: readonly Device[], own: readonly SubjectName[]): Calls {
  const groups = [...new Set(devices.map((d) => d.group))];
  return fc.oneof(
    ...devices.flatMap((d, i) =>
      (Object.keys(SUBJECTS) as SubjectName[]).map((name) => ({
        weight: WEIGHTS[name] * (own.includes(name) ? OWN : 1) * (i === 0 ? 3 : 1),
        arbitrary: SUBJECTS[name](d, groups),
      })),
    ),
  );
}

function task(name: string, calls: Calls, maxLength: number): fc.Arbitrary<ProgramTask> {
  return fc.record({
    name: fc.constant(name),
    ops: fc.array(calls, { minLength: 1, maxLength, size: 'max' }),
  });
}

function programOn(topology: string, mostTasks: number): fc.Arbitrary<Program> {
  const devices = devicesOf(topology);
  const first = devices.flatMap((d, i) => (i === 0 ? [d, d, d] : [d]));
  const from = (of: (d: Device) => Calls): Calls => fc.constantFrom(...first).chain(of);
  const maybe = (t: fc.Arbitrary<ProgramTask>): fc.Arbitrary<ProgramTask[]> =>
    fc.oneof(
      { weight: 2, arbitrary: t.map((one) => [one]) },
      { weight: 1, arbitrary: fc.constant<ProgramTask[]>([]) },
    );
  const subjects = fc.uniqueArray(fc.constantFrom(...(Object.keys(SUBJECTS) as SubjectName[])), {
    minLength: 1,
    maxLength: 3,
  });
  return subjects.chain((own) => {
    const calls = userCalls(devices, own);
    return fc
      .record({
        options: optionsOf(devices),
        rest: fc.boolean(),
        // Mostly something is on already when the rest begins.
        on: turnedOn(devices[0]),
        prelude: fc.array(calls, { maxLength: 3, size: 'max' }),
        users: fc
          .integer({ min: Math.min(2, mostTasks), max: mostTasks })
          .chain((n) => fc.tuple(...Array.from({ length: n }, (_, i) => task(`${USER}${i}`, calls, 5)))),
        host: maybe(task('host', from(hostCalls), 3)),
        device: maybe(task('device', from(deviceEvents), 3)),
      })
      .map(({ options, rest, on, prelude, users, host, device }) => ({
        topology,
        options,
        rest,
        setup: [...openAll(devices), ...on, ...prelude],
        tasks: [...users, ...host, ...device],
      }));
  });
}

const MADE = new Map<string, fc.Arbitrary<Program>>();

/**
 * Random programs.
 *
 * @param topology on this machine only; '': on several
 * @param mostTasks at most so many threads of the user, besides host and hardware
 */
export function programs(topology: string, mostTasks: number): fc.Arbitrary<Program> {
  const key = `${topology} ${mostTasks}`;
  let found = MADE.get(key);
  if (found === undefined) {
    const names = topology === '' ? topologyNames().filter((name) => name in TOPOLOGIES) : [topology];
    found = fc.oneof(
      ...names.map((name) => ({ weight: TOPOLOGIES[name] ?? 1, arbitrary: programOn(name, mostTasks) })),
    );
    MADE.set(key, found);
  }
  return found;
}

/** The program of a number: the same on every machine. */
export function programOf(seed: number, topology: string, mostTasks: number): Program {
  return fc.sample(programs(topology, mostTasks), { seed, numRuns: 1 })[0];
}
