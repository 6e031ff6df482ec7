// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import {
  type BeforeRestore,
  Checkpoint,
  constant,
  fixed,
  machine,
  Machine,
  spawn,
  yield_now,
} from '../src/index.ts';

class Device {
  count = 1;
  peer: Device | null = null;
  readonly ring = new Uint8Array(4);
  readonly queue: number[] = [1, 2];
  readonly users = new Map<string, number>([
    ['a', 1],
    ['b', 2],
  ]);
  readonly waiting = new Set(['a']);
  readonly table: Record<string, number> = { x: 1 };
}

/** A machine that stands after a set-up, and what its parked task does next. */
async function parked(
  next: () => Promise<void> | void,
  setup: () => void = () => undefined,
): Promise<Machine> {
  const m = new Machine();
  await m.run(() => {
    setup();
    machine.park(next);
  });
  return m;
}

describe('Checkpoint', () => {
  it('should put back every kind of state, in objects that stay the same', async () => {
    const dev = new Device();
    const { ring, queue, users, waiting, table } = dev;
    const m = await parked(() => {
      dev.count++;
      dev.peer = new Device();
      ring[2] = 7;
      queue.push(3);
      queue[0] = 9;
      users.delete('a');
      users.set('a', 3);
      waiting.add('b');
      table.y = 2;
      table.x = 5;
    });
    const checkpoint = new Checkpoint(m, [dev]);
    for (let round = 0; round < 2; round++) {
      await m.resume();
      expect(dev).not.toEqual(new Device());
      checkpoint.restore();
      expect(dev).toEqual(new Device());
      expect([...users.keys()]).toEqual(['a', 'b']);
      expect([dev.ring, dev.queue, dev.users, dev.waiting, dev.table]).toEqual([
        ring,
        queue,
        users,
        waiting,
        table,
      ]);
      expect(dev.queue).toBe(queue);
    }
  });

  it('should reach state through arrays, maps, sets and shared buffers', async () => {
    const deep = { value: 1 };
    const bytes = new Uint8Array(8);
    const half = bytes.subarray(4);
    const roots = [[new Map([[{ key: deep }, new Set([deep])]])], half];
    const m = await parked(() => {
      deep.value = 2;
      bytes[1] = 1;
    });
    const checkpoint = new Checkpoint(m, roots);
    await m.resume();
    checkpoint.restore();
    expect([deep.value, bytes[1]]).toEqual([1, 0]);
  });

  it('should run the same tasks again from the start, the clock and the log put back', async () => {
    const seen: string[] = [];
    const m = await parked(
      async () => {
        seen.push(`main at ${machine.clock.now}`);
        machine.clock.advance(5);
        await yield_now();
      },
      () => {
        machine.clock.advance(10);
        spawn('worker', () => void seen.push(`worker, task ${machine.tasks.length}`));
      },
    );
    const checkpoint = new Checkpoint(m, []);
    await m.resume();
    const first = seen.splice(0);
    checkpoint.restore();
    await m.resume();
    expect(seen).toEqual(first);
    expect(first).toEqual(['main at 10', 'worker, task 1']);
    expect(m.clock.now).toBe(15);
  });

  it('should tell objects that ask for it before it restores', async () => {
    class Trap implements BeforeRestore {
      value = 1;
      before_restore(): void {
        Object.defineProperty(this, 'value', { writable: true, value: 0 });
      }
    }
    const trap = new Trap();
    const m = await parked(() => {
      Object.defineProperty(trap, 'value', { get: () => 42, configurable: true });
    });
    const checkpoint = new Checkpoint(m, [trap]);
    await m.resume();
    expect(trap.value).toBe(42);
    checkpoint.restore();
    expect(trap.value).toBe(1);
  });

  it('should not look into what is said to be constant', async () => {
    const [looked, not] = [{ bytes: new Uint8Array(4) }, { bytes: constant(new Uint8Array(4)) }];
    const checkpoint = new Checkpoint(await parked(() => undefined), [looked, not]);
    looked.bytes[1] = not.bytes[1] = 7;
    checkpoint.restore();
    expect([looked.bytes[1], not.bytes[1]]).toEqual([0, 7]);
  });

  it('should notice that a field has changed that was said not to', async () => {
    class Lock {
      readonly gate = { open: true };
      owner = '';
    }
    fixed(Lock, ['gate']);
    const lock = new Lock();
    const m = new Machine();
    await m.run(() => machine.park(() => undefined));
    const checkpoint = new Checkpoint(m, [lock]);
    lock.owner = 'a';
    lock.gate.open = false;
    expect(() => checkpoint.verify()).not.toThrow();
    checkpoint.restore();
    expect(lock).toEqual({ gate: { open: true }, owner: '' });
    Object.assign(lock, { gate: { open: true } });
    expect(() => checkpoint.verify()).toThrow('Lock.gate is no fixed field');
  });

  it('should refuse a machine with a task in the middle of something', async () => {
    const m = new Machine();
    await m.run(async () => {
      spawn('busy', () => yield_now());
      await yield_now();
      machine.park(() => undefined);
      // The other one starts, and then this one goes on and ends.
      machine.policy = {
        name: 'alternate',
        sticky: false,
        pick: (running, list) => list.find((t) => t !== running) ?? list[0],
      };
      await yield_now();
    });
    expect(() => new Checkpoint(m, [])).toThrow('no checkpoint while busy');
  });
});
