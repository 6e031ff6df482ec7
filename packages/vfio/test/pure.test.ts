// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { EINVAL, ENOMEM, ERR_PTR, kfree, slab_fail, slab_live } from '@vfio-lab/kernel';
import {
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_PROBE,
  VFIO_DEVICE_FEATURE_SET,
  VFIO_DEVICE_STATE_ERROR as ERROR,
  VFIO_DEVICE_STATE_RESUMING as RESUMING,
  VFIO_DEVICE_STATE_RUNNING as RUNNING,
  VFIO_DEVICE_STATE_RUNNING_P2P as RUNNING_P2P,
  VFIO_DEVICE_STATE_STOP as STOP,
  VFIO_DEVICE_STATE_STOP_COPY as STOP_COPY,
  vfio_check_feature,
  vfio_device,
  vfio_info_cap,
  vfio_info_cap_header,
  vfio_iommu_type1_info_dma_avail,
  vfio_irq_set,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_MIGRATION_P2P,
  VFIO_MIGRATION_STOP_COPY,
  vfio_region_info_cap_type,
} from '@vfio-lab/headers';
import type { Kernel, vfio_c, virqfd_c } from '@vfio-lab/headers';
import { ref } from '@vfio-lab/sim';
import { vfio, virqfd } from '../src/index.ts';
import { onMachine } from './harness.ts';

describe('the files', () => {
  it('should define every function of the C file, with the type that is declared', () => {
    const vfio_functions: Pick<vfio_c, keyof vfio_c & keyof typeof vfio> = vfio;
    const virqfd_functions: Pick<virqfd_c, keyof virqfd_c & keyof typeof virqfd> = virqfd;
    expect(Object.keys(vfio_functions)).toHaveLength(77 + 1);
    expect(Object.keys(virqfd_functions)).toHaveLength(9 + 1);
  });
});

describe('vfio_check_feature', () => {
  const [GET, SET, PROBE] = [VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET, VFIO_DEVICE_FEATURE_PROBE];

  it('should answer as the header says', () => {
    expect(vfio_check_feature(GET, 16, GET, 16)).toBe(1);
    expect(vfio_check_feature(GET, 15, GET, 16)).toBe(-EINVAL);
    expect(vfio_check_feature(SET, 16, GET, 16)).toBe(-EINVAL);
    expect(vfio_check_feature(0, 16, GET, 16)).toBe(-EINVAL);
    expect(vfio_check_feature(PROBE, 0, GET, 16)).toBe(0);
    expect(vfio_check_feature(PROBE | GET, 0, GET, 16)).toBe(0);
    expect(vfio_check_feature(PROBE | SET, 0, GET, 16)).toBe(-EINVAL);
  });
});

describe('vfio_mig_get_next_state', () => {
  const STATES = { ERROR, STOP, RUNNING, STOP_COPY, RESUMING, RUNNING_P2P };
  const nameOf = (state: number): string => Object.entries(STATES).find(([, v]) => v === state)?.[0] ?? '?';

  /** All states on the way, or -EINVAL. */
  function path(k: Kernel, flags: number, from: number, to: number): string | number {
    const device = new vfio_device();
    device.migration_flags = flags;
    const states = [nameOf(from)];
    for (let cur = from; cur !== to;) {
      const next = ref(99);
      const ret = k.vfio_mig_get_next_state(device, cur, to, next);
      if (ret !== 0) return ret;
      states.push(nameOf(next.v));
      cur = next.v;
    }
    return states.join(' ');
  }

  it('should step through RUNNING_P2P when the device has it', async () => {
    await onMachine((k) => {
      const flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P;
      expect(path(k, flags, RUNNING, STOP_COPY)).toBe('RUNNING RUNNING_P2P STOP STOP_COPY');
      expect(path(k, flags, RUNNING, RESUMING)).toBe('RUNNING RUNNING_P2P STOP RESUMING');
      expect(path(k, flags, STOP_COPY, RUNNING)).toBe('STOP_COPY STOP RUNNING_P2P RUNNING');
      expect(path(k, flags, RESUMING, RUNNING_P2P)).toBe('RESUMING STOP RUNNING_P2P');
    });
  });

  it('should step over RUNNING_P2P when it has not', async () => {
    await onMachine((k) => {
      const flags = VFIO_MIGRATION_STOP_COPY;
      expect(path(k, flags, RUNNING, STOP_COPY)).toBe('RUNNING STOP STOP_COPY');
      expect(path(k, flags, STOP, RUNNING)).toBe('STOP RUNNING');
      expect(path(k, flags, RUNNING, RUNNING_P2P)).toBe(-EINVAL);
    });
  });

  it('should refuse states that nobody can ask for', async () => {
    await onMachine(
      (k) => {
        const flags = VFIO_MIGRATION_STOP_COPY;
        expect(path(k, flags, RUNNING, ERROR)).toBe(-EINVAL);
        expect(path(k, flags, RUNNING, 6)).toBe(-EINVAL);
        expect(path(k, flags, RUNNING_P2P, STOP)).toBe(-EINVAL);
      },
      ['WARN_ON'],
    );
  });
});

describe('capability chains', () => {
  it('should link a capability to the one before it', async () => {
    await onMachine((k) => {
      const caps = new vfio_info_cap();
      const type = new vfio_region_info_cap_type();
      Object.assign(type, { id: 2, version: 1, type: 0x80008086, subtype: 1 });
      expect(k.vfio_info_add_capability(caps, type, type.bytes.length)).toBe(0);
      const avail = new vfio_iommu_type1_info_dma_avail();
      Object.assign(avail, { id: 3, version: 1, avail: 65535 });
      expect(k.vfio_info_add_capability(caps, avail, avail.bytes.length)).toBe(0);
      expect(caps.size).toBe(28);

      const buf = caps.buf as Uint8Array;
      expect(new vfio_info_cap_header(buf, 0).next).toBe(16);
      k.vfio_info_cap_shift(caps, 24);
      const first = new vfio_region_info_cap_type(buf);
      expect([first.id, first.version, first.next, first.type, first.subtype]).toEqual([
        2, 1, 40, 0x80008086, 1,
      ]);
      const second = new vfio_iommu_type1_info_dma_avail(buf, 16);
      expect([second.id, second.version, second.next, second.avail]).toEqual([3, 1, 0, 65535]);
      kfree(buf);
      expect(slab_live()).toEqual([]);
    });
  });

  it('should give the buffer up when memory runs out', async () => {
    await onMachine((k) => {
      const caps = new vfio_info_cap();
      k.vfio_info_cap_add(caps, 16, 1, 1);
      slab_fail();
      expect(k.vfio_info_cap_add(caps, 16, 2, 1)).toBe(ERR_PTR(-ENOMEM));
      expect(caps.size).toBe(0);
      expect(slab_live()).toEqual([]);
    });
  });
});

describe('vfio_set_irqs_validate_and_prepare', () => {
  const EVENTFD = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
  const NONE = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
  const BOOL = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;

  function hdr(flags: number, start: number, count: number, argsz: number, index = 2): vfio_irq_set {
    return Object.assign(new vfio_irq_set(), { argsz, flags, index, start, count });
  }

  it('should size the data by its type', async () => {
    await onMachine((k) => {
      const size = ref(-1);
      expect(k.vfio_set_irqs_validate_and_prepare(hdr(EVENTFD, 0, 3, 32), 5, 5, size)).toBe(0);
      expect(size.v).toBe(12);
      expect(k.vfio_set_irqs_validate_and_prepare(hdr(BOOL, 2, 3, 23), 5, 5, size)).toBe(0);
      expect(size.v).toBe(3);
      expect(k.vfio_set_irqs_validate_and_prepare(hdr(NONE, 0, 0, 20), 5, 5, size)).toBe(0);
      expect(size.v).toBe(0);
    });
  });

  it.each([
    ['argsz below the header', hdr(NONE, 0, 1, 19)],
    ['argsz below the data', hdr(EVENTFD, 0, 3, 31)],
    ['index', hdr(NONE, 0, 1, 20, 5)],
    ['start', hdr(NONE, 5, 0, 20)],
    ['count', hdr(NONE, 4, 2, 20)],
    ['count that wraps', hdr(NONE, 1, 0xffffffff, 20)],
    ['flags', hdr(NONE | 0x40, 0, 1, 20)],
    ['two data types', hdr(NONE | EVENTFD, 0, 1, 24)],
    ['no data type', hdr(VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, 20)],
  ])('should refuse a bad %s', async (_, set) => {
    await onMachine((k) => {
      expect(k.vfio_set_irqs_validate_and_prepare(set, 5, 5, ref(0))).toBe(-EINVAL);
    });
  });
});
