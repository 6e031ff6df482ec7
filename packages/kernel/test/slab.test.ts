// SPDX-License-Identifier: GPL-2.0-only
import { Checkpoint, machine } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import {
  GFP_KERNEL,
  kasprintf,
  kcalloc,
  kfree,
  kmalloc,
  kmemdup,
  krealloc,
  kstrdup,
  kzalloc,
  kzalloc_bytes,
  set_kasan,
  slab_fail,
  slab_is_freed,
  slab_live,
  slab_mark,
  slab_report_leaks,
} from '../src/index.ts';
import { kinds, run, run_clean } from './machine.ts';

class Thing {
  n = 0;
}

describe('slab', () => {
  it('makes structs with the fields that patches add', () =>
    run_clean(() => {
      machine.struct_fields.set(Thing, { extra: () => [1] });
      const t = kzalloc(Thing, GFP_KERNEL) as Thing & { extra?: number[] };
      const u = kcalloc(2, Thing, GFP_KERNEL) as (Thing & { extra?: number[] })[];
      expect(t.extra).toEqual([1]);
      expect(u[1].extra).toEqual([1]);
      expect(u[0].extra).not.toBe(u[1].extra);
      kfree(t);
      kfree(u);
    }));

  it('lists and reports what was not freed', async () => {
    const m = await run(() => {
      kzalloc(Thing, GFP_KERNEL);
      const mark = slab_mark();
      kmalloc(3, GFP_KERNEL);
      kcalloc(2, null, GFP_KERNEL);
      kasprintf(GFP_KERNEL, 'vfio-intx');
      expect(slab_live(mark).map((a) => a.what)).toEqual(['u8[3]', 'pointers[2]', '"vfio-intx"']);
      expect(slab_report_leaks(mark)).toBe(3);
    });
    expect(kinds(m)).toEqual(['leak', 'leak', 'leak']);
    expect(m.findings[0].text).toContain('u8[3]');
  });

  it('resizes bytes and arrays, keeping content and identity', () =>
    run_clean(() => {
      const a = krealloc(null, 2, GFP_KERNEL) as Uint8Array;
      a.set([1, 2]);
      const b = krealloc(a, 4, GFP_KERNEL) as Uint8Array;
      expect([...b]).toEqual([1, 2, 0, 0]);
      expect(slab_is_freed(a)).toBe(true);
      const s = krealloc(null, 1, GFP_KERNEL, Thing) as Thing[];
      const t = krealloc(s, 2, GFP_KERNEL, Thing) as Thing[];
      expect(t[0]).toBe(s[0]);
      expect(t).toHaveLength(2);
      kfree(b);
      kfree(t);
      kfree(kmemdup(new Uint8Array([9, 8]), 1, GFP_KERNEL));
      kfree(kstrdup('x', GFP_KERNEL));
      kfree(kzalloc_bytes(1, GFP_KERNEL));
      kfree(null);
      expect(slab_live()).toEqual([]);
    }));

  it('fails the allocations it is told to fail', () =>
    run_clean(() => {
      slab_fail(2);
      const t = kzalloc(Thing, GFP_KERNEL);
      expect(t).not.toBe(null);
      expect(kzalloc(Thing, GFP_KERNEL)).toBe(null);
      for (const alloc of [
        () => kcalloc(1, Thing, GFP_KERNEL),
        () => kmalloc(1, GFP_KERNEL),
        () => krealloc(null, 1, GFP_KERNEL),
        () => kasprintf(GFP_KERNEL, 'x'),
      ]) {
        slab_fail();
        expect(alloc()).toBe(null);
      }
      kfree(t);
    }));

  it('reports double frees, bad frees and, with kasan, use after free', async () => {
    const m = await run(() => {
      set_kasan(true);
      const t = kzalloc(Thing, GFP_KERNEL) as Thing;
      const u = kzalloc(Thing, GFP_KERNEL) as Thing;
      kfree(t);
      kfree(t);
      kfree({});
      expect(t.n).toBe(0);
      expect(t.n).toBe(0);
      kfree(u);
      u.n = 5;
      expect(u.n).toBe(5);
    });
    expect(kinds(m)).toEqual(['double-free', 'bad-free', 'use-after-free', 'use-after-free']);
    expect(m.findings[2].text).toContain('read of .n in a freed Thing');
    expect(m.findings[3].text).toContain('write of .n');
  });

  it('gives freed structs their fields back when the machine is put back to before', async () => {
    let t!: Thing;
    const m = await run(() => {
      set_kasan(true);
      t = kzalloc(Thing, GFP_KERNEL) as Thing;
      t.n = 3;
      machine.park(() => kfree(t));
    });
    const checkpoint = new Checkpoint(m, [t]);
    const fields = Object.getOwnPropertyDescriptors(t);
    for (let i = 0; i < 2; i++) {
      await m.resume();
      expect(Object.getOwnPropertyDescriptor(t, 'n')?.value).toBeUndefined();
      checkpoint.restore();
      expect(Object.getOwnPropertyDescriptors(t)).toEqual(fields);
      expect(Object.keys(t)).toEqual(Object.keys(fields));
    }
    expect(m.findings).toEqual([]);
  });
});
