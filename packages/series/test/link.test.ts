// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { GFP_KERNEL, kfree, kzalloc } from '@vfio-lab/kernel';
import { vfio_device_set, vfio_pci_core_device } from '@vfio-lab/headers';
import type { Kernel } from '@vfio-lab/headers';
import { current, Machine, sleep_ns, spawn, join, yield_now } from '@vfio-lab/sim';
import { functionsOf, link } from '../src/link.ts';
import type { Module, PatchModule } from '../src/link.ts';

/** A driver of two files, small enough to see through. */
interface Toy {
  log: string[];
  limit: number;
  count: number;
  outer(n: number): Promise<number>;
  inner(n: number): number;
  leaf(): string;
  added(): string;
}

const toy = (k: Kernel): Toy => k as unknown as Toy;

const file_a: Module = {
  async outer(this: Toy, n: number): Promise<number> {
    this.log.push(`outer ${n}`);
    await yield_now();
    const inner = this.inner(n);
    this.count++;
    return inner;
  },
  statics: () => ({ log: [], limit: 3, count: 0 }) as unknown as Partial<Kernel>,
};

const file_b: Module = {
  inner(this: Toy, n: number): number {
    if (n > this.limit) throw new RangeError(`over ${this.limit}`);
    return n * 2;
  },
  leaf(this: Toy): string {
    return current.fns.join('>');
  },
  statics: (k) => ({ twice: toy(k).limit * 2 }) as unknown as Partial<Kernel>,
};

const base = [file_a, file_b];

async function onMachine(fn: () => Promise<void> | void): Promise<Machine> {
  const machine = new Machine({});
  await machine.run(async () => {
    await fn();
  });
  return machine;
}

describe('link', () => {
  it('should call functions of other files through the image', async () => {
    await onMachine(async () => {
      const k = toy(link(base).boot());
      expect(await k.outer(2)).toBe(4);
      expect(k.count).toBe(1);
    });
  });

  it('should keep functions on a prototype that all boots share', async () => {
    await onMachine(() => {
      const image = link(base);
      const [one, two] = [image.boot(), image.boot()];
      expect(Object.getPrototypeOf(one)).toBe(image.table);
      expect(Object.getPrototypeOf(two)).toBe(image.table);
      expect(Object.keys(one)).toEqual(['log', 'limit', 'count', 'twice']);
    });
  });

  it('should give every boot fresh data', async () => {
    await onMachine(async () => {
      const image = link(base);
      const [one, two] = [toy(image.boot()), toy(image.boot())];
      await one.outer(1);
      expect(one.log).toEqual(['outer 1']);
      expect(two.log).toEqual([]);
      expect(two.count).toBe(0);
    });
  });

  it('should run statics in order, each after the data of the files before it', async () => {
    await onMachine(() => {
      expect((link(base).boot() as unknown as { twice: number }).twice).toBe(6);
    });
  });

  it('should lay patches over the base, the last one on top', async () => {
    const one: PatchModule = { inner: () => 1, added: () => 'added by one' };
    const two: PatchModule = { inner: () => 2, statics: () => ({ limit: 9 }) as unknown as Partial<Kernel> };
    await onMachine(async () => {
      const image = link(base, one, two);
      const k = toy(image.boot());
      expect(await k.outer(1)).toBe(2);
      expect(k.added()).toBe('added by one');
      expect(k.limit).toBe(9);
      expect(image.owner('inner')).toBe(two);
      expect(image.owner('added')).toBe(one);
      expect(image.owner('outer')).toBe(file_a);
      expect(image.owner('nothing')).toBeUndefined();
      expect(image.patched()).toEqual(['inner', 'added']);
      expect(await toy(link(base, one).boot()).outer(1)).toBe(1);
      expect(await toy(link(base).boot()).outer(1)).toBe(2);
    });
  });

  it('should refuse two base files that define one function', () => {
    expect(() => link([file_a, { outer: () => 0 }])).toThrow('outer is defined by two files of the base');
  });

  it('should take neither classes nor data of a module for functions', () => {
    const module: Module = { fn: () => 0, Class: class {}, constant: 3, fields: {}, statics: () => ({}) };
    expect([...functionsOf(module).keys()]).toEqual(['fn']);
  });
});

describe('fields of a patch', () => {
  const one: PatchModule = { fields: { vfio_pci_core_device: { pm_intx_masked: () => false } } };
  const two: PatchModule = {
    fields: { vfio_pci_core_device: { pm_wake: () => [] }, vfio_device_set: { note: () => 'set' } },
  };

  it('should be in every struct allocated after the boot', async () => {
    await onMachine(() => {
      link(base, one, two).boot();
      const [a, b] = [kzalloc(vfio_pci_core_device, GFP_KERNEL), kzalloc(vfio_pci_core_device, GFP_KERNEL)];
      const set = kzalloc(vfio_device_set, GFP_KERNEL);
      expect(a).toMatchObject({ pm_intx_masked: false, pm_wake: [] });
      expect((a as unknown as { pm_wake: unknown }).pm_wake).not.toBe(
        (b as unknown as { pm_wake: unknown }).pm_wake,
      );
      expect(set).toMatchObject({ note: 'set' });
      for (const obj of [a, b, set]) kfree(obj);
    });
  });

  it('should be unknown to a machine that runs without the patch', async () => {
    await onMachine(() => {
      link(base).boot();
      const vdev = kzalloc(vfio_pci_core_device, GFP_KERNEL);
      expect(vdev).not.toHaveProperty('pm_intx_masked');
      kfree(vdev);
    });
  });

  it('should name a struct that the headers have', () => {
    expect(() => link(base, { fields: { vfio_pci_dev: { x: () => 0 } } })).toThrow('struct vfio_pci_dev');
  });
});

describe('an instrumented image', () => {
  const file_c: Module = {
    ...file_b,
    inner(this: Toy, n: number): unknown {
      return n === 0 ? this.leaf() : Promise.reject(new Error(this.leaf()));
    },
  };

  it('should show the C functions that a task is in', async () => {
    await onMachine(async () => {
      const k = toy(link([file_a, file_c]).boot({ instrument: true }));
      expect(await k.outer(0)).toBe('outer>inner>leaf');
      expect(current.fns).toEqual([]);
    });
  });

  it('should unwind when a function throws or its promise rejects', async () => {
    await onMachine(async () => {
      const failing = toy(link([file_a, file_c]).boot({ instrument: true }));
      await expect(failing.outer(1)).rejects.toThrow('outer>inner>leaf');
      expect(current.fns).toEqual([]);
      const throwing = toy(link(base).boot({ instrument: true }));
      await expect(throwing.outer(4)).rejects.toThrow('over 3');
      expect(current.fns).toEqual([]);
    });
  });

  it('should keep one stack a task', async () => {
    await onMachine(async () => {
      const slow: Module = {
        ...file_b,
        async inner(this: Toy, n: number): Promise<string> {
          await sleep_ns(n);
          return this.leaf();
        },
      };
      const k = toy(link([file_a, slow]).boot({ instrument: true }));
      const seen: unknown[] = [];
      const tasks = [20, 10].map((n) =>
        spawn(`t${n}`, async () => {
          seen.push(await k.outer(n), current.fns.length);
        }),
      );
      for (const task of tasks) await join(task);
      expect(seen).toEqual(['outer>inner>leaf', 0, 'outer>inner>leaf', 0]);
    });
  });

  it('should run the plain functions when it is off', async () => {
    await onMachine(async () => {
      const image = link([file_a, file_c]);
      image.boot({ instrument: true });
      const k = toy(image.boot());
      expect(k.outer).toBe(file_a.outer);
      expect(await k.outer(0)).toBe('');
    });
  });
});
