// SPDX-License-Identifier: GPL-2.0-only
import { ref } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import * as k from '../src/index.ts';
import { kinds, run, run_clean } from './machine.ts';

describe('errno and error pointers', () => {
  it('names errors of either sign, and shows numbers without a name', () => {
    expect(k.errno_name(-22)).toBe('EINVAL');
    expect(k.errno_name(9)).toBe('EBADF');
    expect(k.errno_name(4000)).toBe('4000');
  });

  it('carries an error as a value: equal errors are the same pointer', () => {
    const p: unknown = k.ERR_PTR(-k.ENODEV);
    expect(p).toBe(k.ERR_PTR(-k.ENODEV));
    expect(k.IS_ERR(p) && k.PTR_ERR(p)).toBe(-19);
    expect(k.IS_ERR(null)).toBe(false);
    expect(k.IS_ERR_OR_NULL(null)).toBe(true);
    expect(k.IS_ERR_OR_NULL({})).toBe(false);
    expect(k.PTR_ERR_OR_ZERO({})).toBe(0);
    expect(k.PTR_ERR_OR_ZERO(p)).toBe(-19);
    expect(k.ERR_CAST(k.ERR_PTR(-5)).err).toBe(-5);
  });
});

describe('bits', () => {
  it('finds bits', () => {
    expect([k.fls(0), k.fls(1), k.fls(0x80000000)]).toEqual([0, 1, 32]);
    expect([k.ffs(0), k.ffs(8), k.__ffs(8), k.ffs(0x80000000)]).toEqual([0, 4, 3, 32]);
    expect([k.hweight8(0x1ff), k.hweight16(0x1ffff), k.hweight32(0xffffffff)]).toEqual([8, 16, 32]);
    expect([k.ilog2(4096), k.is_power_of_2(4096), k.is_power_of_2(0), k.is_power_of_2(6)]).toEqual([
      12,
      true,
      false,
      false,
    ]);
    expect([k.roundup_pow_of_two(1), k.roundup_pow_of_two(5)]).toEqual([1, 8]);
    expect([k.BIT(31), k.GENMASK(15, 8), k.GENMASK(31, 0), k.test_bit(3, 8)]).toEqual([
      0x80000000,
      0xff00,
      0xffffffff,
      true,
    ]);
  });

  it('rounds addresses above 2^32', () => {
    expect(k.PAGE_ALIGN(0x7f0000000001)).toBe(0x7f0000001000);
    expect(k.page_start(0x7f0000000fff)).toBe(0x7f0000000000);
    expect(k.offset_in_page(0x7f0000000fff)).toBe(0xfff);
    expect([k.PAGE_ALIGNED(0x2000), k.IS_ALIGNED(6, 4)]).toEqual([true, false]);
    expect([k.round_up(5, 4), k.round_down(7, 4), k.ALIGN(8, 8), k.DIV_ROUND_UP(9, 4)]).toEqual([8, 4, 8, 3]);
    expect([k.upper_32_bits(0x1_8000_0000), k.lower_32_bits(0x1_8000_0000)]).toEqual([1, 0x80000000]);
  });

  it('converts, compares and clamps', () => {
    expect([k.cpu_to_le16(0x12345), k.cpu_to_le32(-1), k.le16_to_cpu(-1), k.le32_to_cpu(-1)]).toEqual([
      0x2345, 0xffffffff, 0xffff, 0xffffffff,
    ]);
    expect([k.min(1, 2), k.max(1, 2), k.array_index_nospec(3, 3), k.array_index_nospec(2, 3)]).toEqual([
      1, 2, 0, 2,
    ]);
    expect([k.ARRAY_SIZE([1, 2]), k.IS_ENABLED(true)]).toEqual([2, true]);
    expect(() => k.BUILD_BUG_ON(true)).toThrow();
    k.BUILD_BUG_ON(false);
  });

  it('has string functions with the results of C', () => {
    expect([k.strlen('abc'), k.strcmp('a', 'b'), k.strcmp('b', 'a'), k.strncmp('abc', 'abd', 2)]).toEqual([
      3, -1, 1, 0,
    ]);
    expect(k.sysfs_streq('on\n', 'on')).toBe(true);
    expect(k.sysfs_streq('on', 'off')).toBe(false);
    expect([k.kstrtobool('Y\n'), k.kstrtobool('off'), k.kstrtobool('2')]).toEqual([true, false, null]);
    expect([k.kstrtol('0x10\n'), k.kstrtol('010'), k.kstrtol('-12'), k.kstrtol('1 '), k.kstrtol('')]).toEqual(
      [16, 8, -12, null, null],
    );
    const b = new Uint8Array(4);
    k.memset(b, 7, 2, 1);
    k.memcpy(b, b, 1, 3, 1);
    expect([...b]).toEqual([0, 7, 7, 7]);
  });
});

describe('lists', () => {
  class Item {
    node = new k.list_head<Item>(this);
    readonly n: number;
    constructor(n: number) {
      this.n = n;
    }
  }

  const names = (head: k.list_head<Item>): number[] => [...k.list_for_each_entry(head)].map((i) => i.n);

  it('adds at both ends, walks both ways, unwinds from an entry', () => {
    const head = new k.list_head<Item>();
    k.INIT_LIST_HEAD(head);
    const [a, b, c] = [new Item(1), new Item(2), new Item(3)];
    k.list_add_tail(a.node, head);
    expect(k.list_is_singular(head)).toBe(true);
    k.list_add_tail(b.node, head);
    k.list_add(c.node, head);
    expect(names(head)).toEqual([3, 1, 2]);
    expect([...k.list_for_each_entry_reverse(head)].map((i) => i.n)).toEqual([2, 1, 3]);
    expect([...k.list_for_each_entry_continue_reverse(b.node, head)].map((i) => i.n)).toEqual([1, 3]);
    expect([...k.list_for_each_entry_continue_reverse(head, head)].map((i) => i.n)).toEqual([2, 1, 3]);
    expect([k.list_first_entry(head).n, k.list_last_entry(head).n]).toEqual([3, 2]);
    k.list_move_tail(c.node, head);
    expect(names(head)).toEqual([1, 2, 3]);
    for (const i of k.list_for_each_entry_safe(head)) if (i.n !== 2) k.list_del(i.node);
    expect(names(head)).toEqual([2]);
    k.list_del_init(b.node);
    expect([k.list_empty(head), k.list_empty(b.node), k.list_first_entry_or_null(head)]).toEqual([
      true,
      true,
      null,
    ]);
  });

  it('reports corruption instead of following wild pointers', async () => {
    const m = await run(() => {
      const head = new k.list_head<Item>();
      const [a, b] = [new Item(1), new Item(2)];
      k.list_add(a.node, head);
      k.list_add(a.node, head);
      k.list_del(a.node);
      k.list_del(a.node);
      k.list_add(b.node, a.node);
      expect(k.list_empty(head)).toBe(true);
    });
    expect(kinds(m)).toEqual(['list-corruption', 'list-corruption', 'list-corruption']);
  });

  it('is an oops to walk on from a deleted node or to take a head for an entry', async () => {
    const m = await run(() => {
      const head = new k.list_head<Item>();
      for (const n of [1, 2]) k.list_add(new Item(n).node, head);
      expect(() => k.list_first_entry(new k.list_head<Item>())).toThrow('list head');
      for (const i of k.list_for_each_entry(head)) k.list_del(i.node);
    });
    expect(m.findings[0]).toMatchObject({ kind: 'BUG', text: 'a list walk went on from a deleted node' });
  });
});

describe('user structs', () => {
  const s = k.ustruct('sample', {
    a: 'u8',
    b: 'u32',
    c: 'u16',
    d: 'u64',
    e: { bytes: 3 },
    f: 's32',
    g: 's16',
    h: 's8',
    i: 's64',
    j: 'u64n',
  });

  it('lays fields out as a C compiler does', () => {
    expect(s.offsets).toEqual({ a: 0, b: 4, c: 8, d: 16, e: 24, f: 28, g: 32, h: 34, i: 40, j: 48 });
    expect(k.sizeof(s)).toBe(56);
    expect(k.offsetof(s, 'b')).toBe(4);
    expect(k.offsetofend(s, 'e')).toBe(27);
    expect([s.struct_name, s.name]).toEqual(['sample', 'sample']);
    expect(k.sizeof(k.ustruct('tail', { x: 'u64', y: 'u8' }))).toBe(16);
  });

  it('reads back what was written, little endian', () => {
    const x = new s();
    x.a = 0x1ff;
    x.b = 0xfffffffe;
    x.c = 0x12345;
    x.d = 0xffffffffffffffffn;
    x.e = new Uint8Array([1, 2, 3, 4]);
    x.f = -1;
    x.g = -2;
    x.h = -3;
    x.i = -4n;
    x.j = 2 ** 40 + 5;
    expect([x.a, x.b, x.c, x.d, [...x.e]]).toEqual([
      0xff,
      0xfffffffe,
      0x2345,
      0xffffffffffffffffn,
      [1, 2, 3],
    ]);
    expect([x.f, x.g, x.h, x.i, x.j]).toEqual([-1, -2, -3, -4n, 2 ** 40 + 5]);
    expect([...x.bytes.subarray(4, 8)]).toEqual([0xfe, 0xff, 0xff, 0xff]);
  });

  it('is a view when given bytes', () => {
    const bytes = new Uint8Array(64);
    const x = new s(bytes, 4);
    x.b = 7;
    expect(bytes[8]).toBe(7);
  });
});

describe('small allocators of ids', () => {
  it('ida gives the lowest free id', () =>
    run_clean(() => {
      const a = new k.ida();
      k.ida_init(a);
      expect([k.ida_alloc(a, 0), k.ida_alloc(a, 0), k.ida_alloc_range(a, 5, 6, 0)]).toEqual([0, 1, 5]);
      k.ida_free(a, 0);
      expect([k.ida_alloc_max(a, 1, 0), k.ida_alloc_max(a, 1, 0)]).toEqual([0, -k.ENOSPC]);
      expect(k.ida_is_empty(a)).toBe(false);
      k.ida_destroy(a);
      expect(k.ida_is_empty(a)).toBe(true);
      expect(k.ida_alloc_range(a, 2 ** 31, 2 ** 32, 0)).toBe(-k.ENOSPC);
    }));

  it('reports an id that is freed twice', async () => {
    const m = await run(() => {
      expect(k.ida_free(new k.ida(), 3)).toBe(-k.EINVAL);
    });
    expect(kinds(m)).toEqual(['ida']);
  });

  it('xarray: cmpxchg under a real lock, keyed by objects', () =>
    run_clean(async () => {
      const xa = new k.xarray<string>('&xa');
      const key = {};
      await k.xa_lock(xa);
      expect(k.__xa_cmpxchg(xa, key, null, 'a', 0)).toBe(null);
      expect(k.__xa_cmpxchg(xa, key, null, 'b', 0)).toBe('a');
      expect(k.xa_load(xa, key)).toBe('a');
      expect(k.__xa_erase(xa, key)).toBe('a');
      expect(k.__xa_erase(xa, key)).toBe(null);
      await k.xa_unlock(xa);
      expect([k.xa_empty(xa), k.xa_is_err('a'), k.xa_err(k.ERR_PTR(-12)), k.xa_err(null)]).toEqual([
        true,
        false,
        -12,
        0,
      ]);
      k.xa_destroy(xa);
    }));

  it('uuid: the same sequence on every machine, version 4, parsed and printed', async () => {
    const seen: string[] = [];
    for (let i = 0; i < 2; i++) {
      await run_clean(() => {
        const u = new k.uuid_t();
        expect(k.uuid_is_null(u)).toBe(true);
        k.uuid_gen(u);
        seen.push(k.uuid_string(u));
        const v = new k.uuid_t();
        expect(k.uuid_parse(`${k.uuid_string(u).toUpperCase()} tail`, v)).toBe(0);
        expect(k.uuid_equal(u, v)).toBe(true);
        k.uuid_gen(v);
        expect(k.uuid_equal(u, v)).toBe(false);
        k.uuid_copy(v, u);
        expect(k.uuid_equal(u, v)).toBe(true);
        expect(k.uuid_parse('not a uuid', v)).toBe(-k.EINVAL);
      });
    }
    expect(seen[0]).toBe(seen[1]);
    expect(seen[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });
});

describe('modules', () => {
  it('counts references and refuses a module that goes away', async () => {
    const m = await run(() => {
      const mod = k.get_module('vfio');
      expect(k.get_module('vfio')).toBe(mod);
      expect(k.try_module_get(mod)).toBe(true);
      k.__module_get(mod);
      expect(k.module_refcount(mod)).toBe(2);
      k.module_put(mod);
      k.module_put(mod);
      mod.state = 'going';
      expect([k.try_module_get(mod), k.try_module_get(null)]).toEqual([false, true]);
      k.module_put(null);
      k.__module_get(null);
      k.module_put(mod);
    });
    expect(kinds(m)).toEqual(['module-refcount']);
  });
});

describe('containers', () => {
  it('finds the embedding struct and makes references to fields', () => {
    class Outer {
      inner = new k.notifier_block(this);
      n = 1;
    }
    const o = new Outer();
    expect(k.container_of<Outer>(o.inner)).toBe(o);
    const r = k.field_ref(o, 'n');
    r.v++;
    expect([o.n, r.v]).toEqual([2, 2]);
    expect(ref(1).v).toBe(1);
  });
});
