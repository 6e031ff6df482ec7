// SPDX-License-Identifier: GPL-2.0-only
import { Hashes, parseToken, replay } from '@vfio-lab/explore';
import { revision } from '@vfio-lab/series';
import { InputError } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import { causeOf, causesIn } from '../src/cause.ts';
import { fuzz, type FuzzReport } from '../src/fuzz.ts';
import { programOf } from '../src/generate.ts';
import { KNOWN, knownFinding } from '../src/known.ts';
import { parseLines } from '../src/operations.ts';
import { checkProgram, isUserTask, type Program, programText, sizeOf } from '../src/program.ts';
import { checkSaved } from '../src/saved.ts';
import { ProgramSubject } from '../src/subject.ts';

const CARD = '0000:01:00.0';
const OPEN = [
  `bind ${CARD}`,
  'container C0',
  `group G0 ${CARD}`,
  'set_container G0 C0',
  'set_iommu C0 3',
  `device D0 G0 ${CARD}`,
];
const fresh = (r: FuzzReport): string[] => r.findings.filter((f) => f.known === null).map((f) => f.text);

describe('programs', () => {
  it('are the same for the same seed, and others for another', () => {
    const text = (seed: number): string => programText(programOf(seed, '', 4)).join('\n');
    expect(text(7)).toBe(text(7));
    expect(new Set([1, 2, 3, 4].map(text)).size).toBe(4);
  });

  it('have two to four threads of the user, and operations that scripts have', () => {
    for (let seed = 0; seed < 200; seed++) {
      const program = programOf(seed, '', 4);
      const users = program.tasks.filter((t) => isUserTask(t.name)).length;
      expect(users).toBeGreaterThanOrEqual(2);
      expect(users).toBeLessThanOrEqual(4);
      for (const t of program.tasks) expect(parseLines(t.ops, t.name)).toHaveLength(t.ops.length);
      parseLines(program.setup, 'setup');
    }
  });

  it('stay on the machine that is asked for, with as many threads', () => {
    for (let seed = 0; seed < 20; seed++) {
      const program = programOf(seed, 'gpu', 1);
      expect(program.topology).toBe('gpu');
      expect(program.tasks.filter((t) => isUserTask(t.name))).toHaveLength(1);
    }
  });

  it('are read back as they were written', () => {
    const program = programOf(3, '', 4);
    expect(checkProgram(JSON.parse(JSON.stringify(program)), 'p.json')).toEqual(program);
  });

  it.each([
    [{}, 'the program needs topology, options, setup and tasks: p.json'],
    [{ topology: 'moon', options: '', setup: [], tasks: [] }, 'no topology "moon": p.json'],
    [
      { topology: 'gpu', options: '', setup: [], tasks: [{ name: 'a' }] },
      'task 1 needs a name and ops: p.json',
    ],
    [
      { topology: 'gpu', options: '', setup: ['jump'], tasks: [] },
      'unknown operation "jump": p.json, setup:1',
    ],
  ])('that make no sense are refused: %j', (value, message) => {
    expect(() => checkProgram(value, 'p.json')).toThrow(message);
  });
});

describe('a program', () => {
  const program: Program = {
    topology: 'no-pm',
    options: '',
    rest: false,
    setup: [...OPEN, 'efd E0'],
    tasks: [
      { name: 'user0', ops: ['set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0', 'efd_rd E0'] },
      { name: 'host', ops: [`unbind ${CARD}`] },
      { name: 'device', ops: [`ring ${CARD} 8`] },
    ],
  };

  it('gives the same under the same schedule, also after it was run under others', async () => {
    const subject = new ProgramSubject(program, 'v7');
    const schedule = parseToken('device,user0,host');
    const first = await replay(subject, schedule);
    await replay(subject, parseToken('host'));
    const again = await replay(subject, schedule);
    expect(again.observation).toEqual(first.observation);
    const hashes = new Hashes(subject.tables);
    expect(again.replay.execution.fingerprint(hashes)).toBe(first.replay.execution.fingerprint(hashes));
    expect(first.observation.findings).toEqual([]);
    expect(first.observation.outcome).toMatch(/ring .*: ok; host: unbind .*: 12; user0: set_irqs .*: ok/);
  });

  it('that never rests is a livelock', async () => {
    const restless = {
      ...program,
      // Each signal unmasks, and each unmask signals, for as long as the device wants its interrupt.
      setup: [...OPEN, 'efd E0', 'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0'],
      tasks: [
        { name: 'user0', ops: ['set_irqs D0 DEFD|UNMASK intx 0 1 efd:E0', 'sleep 1000', 'efd_rd E0'] },
        { name: 'device', ops: [`ring ${CARD} 8`] },
      ],
    };
    const { observation } = await replay(new ProgramSubject(restless, 'v7'), []);
    expect(observation.findings.map((f) => f.kind)).toContain('livelock');
  });
});

describe('causes', () => {
  const finding = (text: string, fns = ['a', 'b'], detail = {}): Parameters<typeof causeOf>[0] => ({
    ...{ kind: 'WARN_ON', task: 'user1', held: [] },
    ...{ text, fns, detail },
  });

  it('do not depend on addresses, numbers and tasks', () => {
    expect(causeOf(finding('0000:01:00.0: count 2, user1'))).toBe(
      causeOf(finding('0000:02:00.1: count 1, host')),
    );
    expect(causeOf(finding('x'))).not.toBe(causeOf(finding('x', ['a', 'c'])));
  });

  it('take a cycle of locks as one wherever it starts', () => {
    const cycle = (...locks: string[]): string =>
      causeOf({ ...finding('', [], { cycle: locks }), kind: 'lockdep-inversion' });
    expect(cycle('a', 'b', 'c', 'a')).toBe(cycle('b', 'c', 'a', 'b'));
    expect(cycle('a', 'b', 'c', 'a')).not.toBe(cycle('a', 'c', 'b', 'a'));
  });

  it('end with what breaks the machine', () => {
    const oops = { ...finding('NULL'), kind: 'oops' };
    expect([...causesIn([finding('x'), oops, finding('y')]).values()].map((f) => f.text)).toEqual([
      'x',
      'NULL',
    ]);
  });
});

describe('fuzz', () => {
  it('finds a planted bug and makes the program small', async () => {
    const opts = { topology: 'own-power', executions: 48, seed: 4, first: true, shrink: 250 };
    const r = await fuzz({ revision: 'v4+no-usage-reference', ...opts });
    const f = r.findings.find((x) => x.kind === 'd3cold-access' && x.known === null);
    expect(f, fresh(r).join('\n')).toBeDefined();
    if (f === undefined) return;
    expect(sizeOf(f.program)).toBeLessThanOrEqual(3);
    const { observation } = await replay(new ProgramSubject(f.program, r.revision), parseToken(f.schedule));
    expect(causesIn(observation.findings).has(f.cause)).toBe(true);
  });

  it('gives the same for the same seed', async () => {
    const opts = { revision: 'v4', executions: 60, seed: 5 };
    const [a, b] = [await fuzz(opts), await fuzz(opts)];
    expect(a).toEqual(b);
    expect(a.stopped).toBe('executions');
    expect(a.executions).toBe(60);
  });

  it.each(['base', 'v4', 'v7'])(
    'has nothing new to say of %s in 200 programs',
    async (revision) => {
      const r = await fuzz({ revision, executions: 2 * 200, schedules: 2, seed: 2, jobs: 2 });
      expect(r.programs).toBeGreaterThanOrEqual(200);
      expect(fresh(r)).toEqual([]);
      // It has looked.
      expect(r.findings.filter((f) => f.kind === 'data-race').length).toBeGreaterThan(5);
    },
    120_000,
  );

  it('finds the data race of a flag that an interrupt handler looks at', async () => {
    const opts = { revision: 'v4+flag-in-handler', topology: 'own-power', executions: 120, shrink: 100 };
    const r = await fuzz({ ...opts, first: true });
    const f = r.findings.find((x) => x.known === null);
    expect(f?.text).toMatch(/^vfio_pci_core_device\.pm_asleep: /);
    expect(f?.cause).toMatch(/vfio_intx_handler reads, vfio_pci_core_runtime_(?:suspend|resume) writes$/);
    const off = await fuzz({ ...opts, executions: r.executions, races: false });
    expect(off.findings.filter((x) => x.kind === 'data-race')).toEqual([]);
  });

  it('gives the same with any number of threads', async () => {
    const opts = { revision: 'v4+flag-in-handler', topology: 'own-power', executions: 60, shrink: 30 };
    const [one, three] = [await fuzz({ ...opts, jobs: 1 }), await fuzz({ ...opts, jobs: 3 })];
    expect(three).toEqual(one);
    expect(one.executions).toBe(60);
    expect(fresh(one).length).toBeGreaterThan(0);
  });

  it('stops when asked with several threads, with what they have', async () => {
    const r = await fuzz({ revision: 'v7', jobs: 2, stop: (p) => p.executions >= 10 });
    expect(r.stopped).toBe('interrupted');
    expect(r.executions).toBeGreaterThanOrEqual(10);
    expect(r.programs).toBeGreaterThan(0);
  });

  it('refuses a revision that is none before it starts threads', async () => {
    await expect(fuzz({ revision: 'v99', jobs: 2 })).rejects.toThrow(InputError);
  });

  it('stops when asked, with what it has', async () => {
    const r = await fuzz({ revision: 'v7', stop: (p) => p.executions >= 10 });
    expect(r.stopped).toBe('interrupted');
    expect(r.executions).toBe(10);
  });
});

describe('known findings', () => {
  it('each say which functions of the C make them, and why', () => {
    const names = new Set(['base', 'v3', 'v4', 'v7'].flatMap((r) => Object.keys(revision(r).image.table)));
    for (const k of KNOWN) {
      if (!/^(?:drivers|kernel|fs)\//.test(k.reason)) expect(k.functions.length).toBeGreaterThan(0);
      for (const fn of k.functions) expect(names, fn).toContain(fn);
      expect(k.reason).toMatch(/\w{3}.*\.$/);
    }
    expect(new Set(KNOWN.map((k) => k.id)).size).toBe(KNOWN.length);
  });

  it('are of their revisions only', () => {
    const program = programOf(1, '', 2);
    const f = { kind: 'd3cold-access', task: '', held: [], fns: ['vfio_pci_intx_unmask_handler'] };
    const text = 'config read of 0000:01:00.0 in D3cold by vfio_pci_intx_unmask_handler';
    expect(knownFinding({ ...f, text }, 'v7', program)?.id).toBe('unmask-eventfd-asleep');
    expect(knownFinding({ ...f, text }, 'base', program)).toBeNull();
  });

  it('show in a program that is made for them', async () => {
    const program: Program = {
      topology: 'own-power',
      options: '',
      rest: true,
      setup: [
        ...OPEN,
        'efd E0',
        'efd E2',
        'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
        'set_irqs D0 DEFD|UNMASK intx 0 1 efd:E2',
      ],
      tasks: [{ name: 'user0', ops: ['lp_enter D0', 'sleep 1', 'efd_wr E2 1'] }],
    };
    const { observation } = await replay(new ProgramSubject(program, 'v7'), []);
    const ids = observation.findings.map((f) => knownFinding(f, 'v7', program)?.id);
    expect(ids).toContain('unmask-eventfd-asleep');
  });
});

describe('a checker', () => {
  it('knows that a signal may go to an eventfd that is being replaced', async () => {
    const program: Program = {
      topology: 'ports',
      options: '',
      rest: true,
      setup: [...OPEN, 'efd E0', 'efd E1', 'wr D0 bar0 8 1 1'],
      tasks: [
        { name: 'user0', ops: ['set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0'] },
        { name: 'user1', ops: ['set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E1', 'reset D0'] },
      ],
    };
    const schedule = parseToken('user1@unlock:&desc->request_mutex,irq/21@lock:&ctx->wqh,user1');
    const { findings } = (await replay(new ProgramSubject(program, 'base'), schedule)).observation;
    expect(findings.filter((f) => f.kind !== 'data-race')).toEqual([]);
    expect(findings.length).toBeGreaterThan(0);
  });
});

describe('what a known finding leads to', () => {
  const program: Program = {
    topology: 'sriov',
    options: '',
    rest: true,
    setup: [...OPEN, 'efd E0'],
    tasks: [
      { name: 'user0', ops: ['wr D0 cfg 4 2 1030'] },
      { name: 'user3', ops: ['wr D0 cfg 4 2 0', 'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0'] },
    ],
  };

  it('is known where the other is', async () => {
    const schedule = parseToken('user0@lock:&vdev->irqlock,user3@unlock:&irq_desc_lock_class');
    const { findings } = (await replay(new ProgramSubject(program, 'base'), schedule)).observation;
    const masked = findings.find((f) => f.kind === 'intx-state');
    expect(masked?.text).toMatch(
      /its user has INTx unmasked and was not signalled, the driver has it masked$/,
    );
    if (masked === undefined) return;
    expect(knownFinding(masked, 'base', program, findings)?.id).toBe('guest-intx-mask-unlocked');
    expect(knownFinding(masked, 'base', program)).toBeNull();
  });
});

describe('a saved program', () => {
  it('is refused when it is none', () => {
    expect(() => checkSaved('{', 'x.json')).toThrow(
      'not JSON: x.json: give a file that vfio-lab fuzz has written',
    );
    expect(() => checkSaved('{"version":2}', 'x.json')).toThrow('not a saved program: x.json');
    expect(() => checkSaved('{"version":1,"revision":4}', 'x.json')).toThrow('revision is no text: x.json');
  });
});
