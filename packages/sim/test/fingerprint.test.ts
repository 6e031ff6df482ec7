// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import {
  Checkpoint,
  CountedMap,
  Fingerprint,
  hash_with,
  machine,
  Machine,
  NOT_STATE,
  scratch,
  SimTimer,
  STATE,
} from '../src/index.ts';

class Part {
  value = 0;
  next: Part | null = null;
  note: object | null = null;
}

scratch(Part, ['note']);

class Device {
  note: object | null = null;
  count = 1;
  seen = 0;
  part: Part | null = null;
  other: Part | null = null;
  call: (() => void) | null = null;
  readonly bytes = new Uint8Array(4);
  readonly list: number[] = [1, 2];
  /** So many of a class are compared by code of their own from early on. */
  readonly parts = Array.from({ length: 5 }, () => new Part());
  readonly counted = new CountedMap<string, number>();
  readonly users = new Map<string, number>([['a', 1]]);
  readonly waiting = new Set(['a']);
  readonly table: Record<string, number> = { x: 1 };
  readonly names = new Set(['b']);
  readonly log: string[] = [];

  get [NOT_STATE](): readonly string[] {
    return ['seen', 'names', 'log'];
  }

  [STATE](): readonly unknown[] {
    return [[...this.names].reduce((hash, name) => hash_with(hash, name), 0)];
  }
}

scratch(Device, ['note']);

/** The fingerprint of a state that differs from the kept one by what `change` does. */
class Lab {
  readonly dev = new Device();
  private checkpoint!: Checkpoint;
  private fingerprint!: Fingerprint;

  static async make(): Promise<Lab> {
    const lab = new Lab();
    lab.dev.counted.set('a', 1);
    const m = new Machine();
    await m.run(() => machine.park(() => undefined));
    lab.checkpoint = new Checkpoint(m, [lab.dev]);
    lab.fingerprint = new Fingerprint(lab.checkpoint);
    return lab;
  }

  after(change: (dev: Device) => void): string {
    change(this.dev);
    const print = this.fingerprint.take();
    this.checkpoint.restore();
    return print;
  }
}

const CHANGES: Record<string, (dev: Device) => void> = {
  nothing: () => undefined,
  'a number': (d) => void (d.count = 2),
  'another number': (d) => void (d.count = 3),
  'no whole number': (d) => void (d.count = 2.5),
  'a byte': (d) => void (d.bytes[1] = 2),
  'another byte': (d) => void (d.bytes[2] = 2),
  'an item': (d) => void d.list.push(3),
  'fewer items': (d) => void d.list.pop(),
  'no items': (d) => void (d.list.length = 0),
  'one of many parts': (d) => void (d.parts[3].value = 7),
  'another one of many parts': (d) => void (d.parts[4].value = 7),
  'a counted entry': (d) => void d.counted.set('b', 1),
  'the value of a counted entry': (d) => void d.counted.set('a', 2),
  'no counted entries': (d) => d.counted.clear(),
  'an entry': (d) => void d.users.set('b', 1),
  'the value of an entry': (d) => void d.users.set('a', 2),
  'no entries': (d) => d.users.clear(),
  'a member': (d) => void d.waiting.add('b'),
  'no members': (d) => d.waiting.clear(),
  'a key': (d) => void (d.table['y'] = 1),
  'a summary': (d) => void d.names.add('c'),
  'a part': (d) => void (d.part = new Part()),
  'a part elsewhere': (d) => void (d.other = new Part()),
  'two parts': (d) => void ([d.part, d.other] = [new Part(), new Part()]),
  'one part twice': (d) => void (d.part = d.other = new Part()),
  'another part': (d) => void (d.part = Object.assign(new Part(), { value: 1 })),
  'a chain': (d) => void (d.part = Object.assign(new Part(), { next: new Part() })),
  'a ring': (d) => {
    d.part = new Part();
    d.part.next = d.part;
  },
  'an array of bytes': (d) => void (d.part = Uint8Array.of(1, 2) as unknown as Part),
  'another array of bytes': (d) => void (d.part = Uint8Array.of(2, 1) as unknown as Part),
};

describe('Fingerprint', () => {
  // After many comparisons others come from code made for the purpose.
  it.each([0, 300, 20_100])('should be the same for the same state only, %i comparisons later', async (n) => {
    const lab = await Lab.make();
    for (let i = 0; i < n; i++) lab.after(() => undefined);
    const prints = new Map<string, string>();
    for (const [name, change] of Object.entries(CHANGES)) {
      const print = lab.after(change);
      expect(lab.after(change), name).toBe(print);
      expect(prints.get(print), name).toBeUndefined();
      prints.set(print, name);
    }
  });

  it('should not count what the class leaves out, nor what only that leads to', async () => {
    const lab = await Lab.make();
    const nothing = lab.after(() => undefined);
    expect(lab.after((d) => void (d.seen = 5))).toBe(nothing);
    expect(lab.after((d) => void d.log.push('x'))).toBe(nothing);
  });

  it('should not count changes of a map that came to nothing, and put back those that did not', async () => {
    const lab = await Lab.make();
    const nothing = lab.after(() => undefined);
    const again = (d: Device): void => void d.counted.set('a', 1);
    expect(lab.after(again)).toBe(nothing);
    lab.after((d) => void d.counted.delete('a'));
    expect([...lab.dev.counted]).toEqual([['a', 1]]);
    expect(lab.after(() => undefined)).toBe(nothing);
  });

  it('should not count what is scratch, in old objects and in new ones', async () => {
    const lab = await Lab.make();
    const part = lab.after((d) => void (d.part = new Part()));
    expect(lab.after((d) => void (d.part = Object.assign(new Part(), { note: {} })))).toBe(part);
    const nothing = lab.after(() => undefined);
    expect(lab.after((d) => void (d.note = new Part()))).toBe(nothing);
  });

  it('should take a function made since for one that no other is like', async () => {
    const lab = await Lab.make();
    const make = (d: Device): void => void (d.call = () => void d.count++);
    expect(lab.after(make)).not.toBe(lab.after(make));
  });

  it('should see what order live timers fire in, and no dead ones', async () => {
    const m = new Machine();
    const timers = ['a', 'b'].map((name) => new SimTimer(name, () => undefined));
    await m.run(() => machine.park(() => undefined));
    const checkpoint = new Checkpoint(m, timers);
    const fingerprint = new Fingerprint(checkpoint);
    const after = (change: () => void): string => {
      m.inspect(change);
      const print = fingerprint.take();
      checkpoint.restore();
      return print;
    };
    const [a, b] = timers;
    const ab = after(() => [a, b].forEach((t) => t.start(100)));
    expect(after(() => [b, a].forEach((t) => t.start(100)))).not.toBe(ab);
    const restarted = after(() => {
      a.start(50);
      b.start(60);
      for (const t of [a, b]) t.start(100);
    });
    expect(restarted).toBe(ab);
    expect(after(() => [a, b].forEach((t) => t.start(200)))).not.toBe(ab);
  });
});
