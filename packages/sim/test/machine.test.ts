// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import {
  access,
  current,
  delay_ns,
  join,
  machine,
  Machine,
  now,
  Obj,
  Oops,
  RandomPolicy,
  ref,
  ReplayPolicy,
  report,
  SimTimer,
  sleep_ns,
  spawn,
  trace,
  wait_idle,
  wait_until,
  wait_until_timeout,
  yield_now,
} from '../src/index.ts';

/** Two tasks of `steps` steps each that write their names to a log. */
function racers(log: string[], steps = 4): () => Promise<void> {
  return async () => {
    const shared = new Obj('shared');
    const body = (name: string) => async (): Promise<void> => {
      for (let i = 0; i < steps; i++) {
        await access(shared, true);
        log.push(name);
      }
    };
    const a = spawn('a', body('a'));
    const b = spawn('b', body('b'));
    await join(a);
    await join(b);
  };
}

describe('run to block', () => {
  it('runs one task until it blocks or ends, then the next', async () => {
    const log: string[] = [];
    const m = new Machine();
    await m.run(racers(log, 3));
    expect(log.join('')).toBe('aaabbb');
    expect(m.schedule).toBe('');
  });

  it('keeps current right after every await', async () => {
    const m = new Machine({ policy: new RandomPolicy(7) });
    const wrong: string[] = [];
    await m.run(async () => {
      const tasks = ['x', 'y', 'z'].map((name) =>
        spawn(name, async () => {
          for (let i = 0; i < 20; i++) {
            await yield_now();
            if (current.name !== name) wrong.push(`${current.name} for ${name}`);
          }
        }),
      );
      for (const t of tasks) await join(t);
    });
    expect(wrong).toEqual([]);
  });

  it('refuses a second machine in the same process', async () => {
    await new Machine().run(async () => {
      await expect(new Machine().run(() => {})).rejects.toThrow('running already');
    });
  });

  it('can run again on the same machine, clock and tasks going on', async () => {
    const m = new Machine();
    await m.run(() => delay_ns(5));
    await m.run(() => delay_ns(5));
    expect(m.clock.now).toBe(10);
  });
});

describe('random and replay', () => {
  it('the same seed gives the same order, another one another', async () => {
    const orders = new Map<number, string>();
    for (const seed of [1, 1, 2, 3, 4]) {
      const log: string[] = [];
      await new Machine({ policy: new RandomPolicy(seed) }).run(racers(log));
      if (orders.has(seed)) expect(log.join('')).toBe(orders.get(seed));
      orders.set(seed, log.join(''));
    }
    expect(new Set(orders.values()).size).toBeGreaterThan(1);
  });

  it('reaches every interleaving of two short tasks', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed++) {
      const log: string[] = [];
      await new Machine({ policy: new RandomPolicy(seed) }).run(racers(log, 2));
      seen.add(log.join(''));
    }
    expect([...seen].sort()).toEqual(['aabb', 'abab', 'abba', 'baab', 'baba', 'bbaa']);
  });

  it('a recorded schedule replays to the same order', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const log: string[] = [];
      const m = new Machine({ policy: new RandomPolicy(seed) });
      await m.run(racers(log));
      const again: string[] = [];
      const replay = new ReplayPolicy(m.schedule);
      await new Machine({ policy: replay }).run(racers(again));
      expect(again).toEqual(log);
      expect(replay.left_at).toBe(-1);
    }
  });

  it('a replay that does not fit goes on and says where it left', async () => {
    const log: string[] = [];
    const replay = new ReplayPolicy('a,nobody*2');
    await new Machine({ policy: replay }).run(racers(log, 2));
    expect(replay.left_at).toBe(1);
    expect(log).toHaveLength(4);
  });

  it('recording can be restarted in the middle', async () => {
    const m = new Machine({ policy: new RandomPolicy(3) });
    await m.run(racers([]));
    expect(m.schedule).not.toBe('');
    m.restart_recording();
    expect(m.schedule).toBe('');
  });
});

describe('time', () => {
  it('passes only when nobody can run', async () => {
    const log: string[] = [];
    await new Machine().run(async () => {
      const sleeper = spawn('sleeper', async () => {
        await sleep_ns(1000);
        log.push(`sleeper ${now()}`);
      });
      await yield_now();
      delay_ns(10);
      log.push(`main ${now()}`);
      await join(sleeper);
    });
    expect(log).toEqual(['main 10', 'sleeper 1010']);
  });

  it('a hardware access costs its time', async () => {
    await new Machine().run(async () => {
      await access(new Obj('reg'), false, 'hw', 250);
      expect(now()).toBe(250);
    });
  });

  it('wait_until_timeout tells the condition from the limit', async () => {
    await new Machine().run(async () => {
      const flag = ref(false);
      expect(await wait_until_timeout(current, () => flag.v, 100)).toBe(false);
      expect(now()).toBe(100);
      spawn('setter', () => void (flag.v = true));
      expect(await wait_until_timeout(current, () => flag.v, 100)).toBe(true);
      expect(now()).toBe(100);
    });
  });

  it('timers fire in order as tasks of their own, and can be cancelled and moved', async () => {
    const log: string[] = [];
    await new Machine().run(async () => {
      const note = (s: string) => (): void => void log.push(`${s}@${now()} ${current.kind}`);
      const a = new SimTimer('a', note('a'));
      const b = new SimTimer('b', note('b'));
      const c = new SimTimer('c', note('c'));
      a.start(300);
      b.start(100);
      c.start(200);
      expect(b.expires).toBe(100);
      expect(c.cancel()).toBe(true);
      expect(c.cancel()).toBe(false);
      expect(c.expires).toBe(0);
      a.start(50);
      expect(a.pending).toBe(true);
      await sleep_ns(1000);
      expect(a.pending).toBe(false);
    });
    expect(log).toEqual(['a@50 timer', 'b@100 timer']);
  });
});

describe('interrupts', () => {
  it('wait until the processor has interrupts on, then come first', async () => {
    const log: string[] = [];
    await new Machine().run(async () => {
      current.cpu.irqs_off = true;
      spawn('irq', () => void log.push(`irq ${current.kind}`), { kind: 'hardirq', cpu: current.cpu.id });
      await yield_now();
      log.push('masked');
      current.cpu.irqs_off = false;
      await yield_now();
      log.push('after');
    });
    expect(log).toEqual(['masked', 'irq hardirq', 'after']);
  });

  it('keep the interrupted processor and each other off', async () => {
    const log: string[] = [];
    const handler = (name: string) => async (): Promise<void> => {
      log.push(`${name} in`);
      await yield_now();
      log.push(`${name} out`);
    };
    await new Machine({ policy: new RandomPolicy(11) }).run(async () => {
      const cpu = current.cpu.id;
      spawn('irq1', handler('1'), { kind: 'hardirq', cpu });
      spawn('irq2', handler('2'), { kind: 'hardirq', cpu });
      for (let i = 0; i < 20; i++) {
        await yield_now();
        expect(current.cpu.irq_task).toBeNull();
      }
    });
    const text = log.join(' ');
    expect(['1 in 1 out 2 in 2 out', '2 in 2 out 1 in 1 out']).toContain(text);
  });

  it('a pinned processor runs nobody else', async () => {
    const log: string[] = [];
    await new Machine({ policy: new RandomPolicy(5) }).run(async () => {
      const cpu = current.cpu.id;
      const other = spawn('other', () => void log.push('other'), { cpu });
      current.cpu.pinned = current;
      for (let i = 0; i < 10; i++) await yield_now();
      log.push('main');
      current.cpu.pinned = null;
      await join(other);
    });
    expect(log).toEqual(['main', 'other']);
  });
});

describe('the end of a run', () => {
  it('a deadlock is a finding that names who waits for what', async () => {
    const m = new Machine();
    await m.run(async () => {
      spawn('left', () => wait_until(new Obj('right lock'), () => false) as Promise<void>);
      await wait_until(new Obj('left lock'), () => false);
    });
    expect(m.findings).toHaveLength(1);
    expect(m.findings[0].kind).toBe('deadlock');
    expect(m.findings[0].text).toBe('main waits for left lock; left waits for right lock');
    expect(m.tasks).toHaveLength(0);
  });

  it('a daemon without work is at rest', async () => {
    const m = new Machine();
    await m.run(() => {
      spawn('worker', () => wait_idle(current, () => false) as Promise<void>, { daemon: true });
    });
    expect(m.findings).toEqual([]);
  });

  it('periodic timers do not hide a deadlock', async () => {
    const m = new Machine();
    await m.run(async () => {
      const tick: SimTimer = new SimTimer('tick', () => tick.start(now() + 1e9));
      tick.start(1e9);
      await wait_until(new Obj('never'), () => false);
    });
    expect(m.findings.map((f) => f.kind)).toEqual(['deadlock']);
  });

  it('an error of ours rejects the run, an Oops is a finding and kills its task only', async () => {
    await expect(new Machine().run(() => Promise.reject(new Error('ours')))).rejects.toThrow('ours');
    const m = new Machine();
    let survived = false;
    await m.run(async () => {
      const victim = spawn('victim', () => {
        throw new Oops('null pointer');
      });
      await join(victim);
      survived = true;
    });
    expect(survived).toBe(true);
    expect(m.findings.map((f) => [f.kind, f.task])).toEqual([['BUG', 'victim']]);
  });

  it('a livelock is stopped with its place', async () => {
    const m = new Machine({ max_steps: 1000 });
    await expect(
      m.run(async () => {
        for (;;) await yield_now();
      }),
    ).rejects.toThrow('no end after 1000 points: main in yield');
  });
});

describe('what is kept', () => {
  it('scopes hold one value a key', () => {
    const m = new Machine();
    const first = m.scope('key', () => ({ n: 1 }));
    expect(m.scope('key', () => ({ n: 2 }))).toBe(first);
  });

  it('the timeline only when tracing', async () => {
    const quiet = new Machine();
    await quiet.run(() => trace('test', 'nothing'));
    expect(quiet.events).toEqual([]);
    const loud = new Machine({ tracing: true });
    await loud.run(() => {
      current.fns.push('outer', 'inner');
      trace('test', 'something', { n: 1 });
      report('kind', 'words');
    });
    expect(loud.events).toMatchObject([
      { task: 'main', fn: 'inner', kind: 'test', text: 'something', data: { n: 1 } },
      { kind: 'finding', text: 'kind: words' },
    ]);
    expect(loud.findings[0]).toMatchObject({ fns: ['outer', 'inner'], held: [], task: 'main' });
  });

  it('a policy can be changed while the machine runs', async () => {
    const log: string[] = [];
    const m = new Machine();
    await m.run(async () => {
      expect(machine.policy.name).toBe('run-to-block');
      machine.policy = new RandomPolicy(2);
      await racers(log, 6)();
    });
    expect(log).toHaveLength(12);
    expect(m.schedule).not.toBe('');
    expect(current).toBeUndefined();
  });
});
