// SPDX-License-Identifier: GPL-2.0-only
import type { Kernel } from '@vfio-lab/headers';
import {
  VFIO_IRQ_SET_ACTION_MASK as MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER as TRIGGER,
  VFIO_IRQ_SET_ACTION_UNMASK as UNMASK,
  VFIO_IRQ_SET_DATA_BOOL as BOOL,
  VFIO_IRQ_SET_DATA_EVENTFD as EVENTFD,
  VFIO_IRQ_SET_DATA_NONE as NONE,
  VFIO_PCI_ERR_IRQ_INDEX as ERR,
  VFIO_PCI_INTX_IRQ_INDEX as INTX,
  VFIO_PCI_MSI_IRQ_INDEX as MSI,
  VFIO_PCI_MSIX_IRQ_INDEX as MSIX,
  VFIO_PCI_REQ_IRQ_INDEX as REQ,
} from '@vfio-lab/headers';
import type { eventfd_ctx } from '@vfio-lab/kernel';
import {
  EBADF,
  EINVAL,
  ENODEV,
  ENOMEM,
  ENOTTY,
  eventfd_ctx_fdget,
  eventfd_ctx_put,
  kfree,
  slab_fail,
  sys_close,
  sys_eventfd2,
} from '@vfio-lab/kernel';
import { ref } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import { fds, NO_IRQ, with_intrs } from './rig.ts';

async function ctx_of(fd: number): Promise<eventfd_ctx> {
  return (await eventfd_ctx_fdget(fd)) as eventfd_ctx;
}

describe('vfio_pci_set_irqs_ioctl', () => {
  it('should know which action an index has', async () => {
    const reached: string[] = [];
    const note =
      (name: string): Kernel['vfio_pci_set_intx_mask'] =>
      async () => {
        reached.push(name);
        return 0;
      };
    const overrides: Partial<Kernel> = {
      vfio_pci_set_intx_mask: note('intx mask'),
      vfio_pci_set_intx_unmask: note('intx unmask'),
      vfio_pci_set_intx_trigger: note('intx trigger'),
      vfio_pci_set_msi_trigger: note('msi trigger'),
      vfio_pci_set_err_trigger: note('err trigger'),
      vfio_pci_set_req_trigger: note('req trigger'),
    };
    await with_intrs(overrides, async ({ k, vdev, pdev }) => {
      const got: Record<string, unknown> = {};
      for (const pcie of [0, 0x40]) {
        pdev.pcie_cap = pcie;
        for (const index of [INTX, MSI, MSIX, ERR, REQ, NO_IRQ]) {
          const row = [];
          for (const action of [MASK, UNMASK, TRIGGER, MASK | TRIGGER]) {
            const ret = await k.vfio_pci_set_irqs_ioctl(vdev, NONE | action, index, 0, 1, null);
            row.push(ret === -ENOTTY ? '-' : reached.pop());
          }
          got[`${pcie === 0 ? 'pci' : 'pcie'} ${index}`] = row.join(', ');
        }
      }
      expect(got).toEqual({
        'pci 0': 'intx mask, intx unmask, intx trigger, -',
        'pci 1': '-, -, msi trigger, -',
        'pci 2': '-, -, msi trigger, -',
        'pci 3': '-, -, -, -',
        'pci 4': '-, -, req trigger, -',
        'pci 5': '-, -, -, -',
        'pcie 0': 'intx mask, intx unmask, intx trigger, -',
        'pcie 1': '-, -, msi trigger, -',
        'pcie 2': '-, -, msi trigger, -',
        'pcie 3': '-, -, err trigger, -',
        'pcie 4': '-, -, req trigger, -',
        'pcie 5': '-, -, -, -',
      });
    });
  });
});

describe('vfio_pci_set_ctx_trigger_single', () => {
  it('should set, replace, signal and drop the eventfd', async () => {
    const findings = await with_intrs({}, async ({ k }) => {
      const a = await sys_eventfd2(0, 0);
      const b = await sys_eventfd2(0, 0);
      const slot = ref<eventfd_ctx | null>(null);
      const set = (count: number, flags: number, data: Uint8Array | null): Promise<number> =>
        k.vfio_pci_set_ctx_trigger_single(slot, count, flags, data);

      expect(await set(0, NONE, null)).toBe(-EINVAL);
      expect(await set(1, BOOL, Uint8Array.of(1))).toBe(0);
      expect(await set(0, BOOL, null)).toBe(-EINVAL);
      expect(await set(0, EVENTFD, null)).toBe(-EINVAL);
      expect(await set(1, EVENTFD, fds(9999))).toBe(-EBADF);
      expect(await set(1, EVENTFD, fds(-2))).toBe(0);
      expect(slot.v).toBeNull();

      expect(await set(1, EVENTFD, fds(a))).toBe(0);
      const first = slot.v;
      expect(await set(1, EVENTFD, fds(b))).toBe(0);
      expect(slot.v).not.toBe(first);
      expect(await set(1, NONE, null)).toBe(0);
      expect(await set(1, BOOL, Uint8Array.of(0))).toBe(0);
      expect(await set(1, BOOL, Uint8Array.of(1))).toBe(0);
      expect([first?.count, slot.v?.count]).toEqual([0n, 2n]);
      expect(await set(1, EVENTFD, fds(9999))).toBe(-EBADF);
      expect(slot.v).not.toBeNull();
      expect(await set(0, NONE, null)).toBe(0);
      expect(slot.v).toBeNull();
      expect(await set(1, EVENTFD, fds(a))).toBe(0);
      expect(await set(1, EVENTFD, fds(-1))).toBe(0);
      expect(await set(1, 0, null)).toBe(-EINVAL);
      await sys_close(a);
      await sys_close(b);
    });
    expect(findings).toEqual([]);
  });

  it('should serve ERR and REQ for one interrupt from 0 only', async () => {
    await with_intrs({}, async ({ k, vdev, pdev }) => {
      pdev.pcie_cap = 0x40;
      const fd = await sys_eventfd2(0, 0);
      for (const index of [ERR, REQ]) {
        expect(await k.vfio_pci_set_irqs_ioctl(vdev, EVENTFD | TRIGGER, index, 1, 1, fds(fd))).toBe(-EINVAL);
        expect(await k.vfio_pci_set_irqs_ioctl(vdev, EVENTFD | TRIGGER, index, 0, 2, fds(fd, fd))).toBe(
          -EINVAL,
        );
        expect(await k.vfio_pci_set_irqs_ioctl(vdev, EVENTFD | TRIGGER, index, 0, 1, fds(fd))).toBe(0);
        expect(await k.vfio_pci_set_irqs_ioctl(vdev, NONE | TRIGGER, index, 0, 1, null)).toBe(0);
      }
      expect(vdev.err_trigger).toBe(vdev.req_trigger);
      expect(vdev.err_trigger?.count).toBe(2n);
      expect(await k.vfio_pci_set_err_trigger(vdev, REQ, 0, 1, NONE, null)).toBe(-EINVAL);
      expect(await k.vfio_pci_set_req_trigger(vdev, ERR, 0, 1, NONE, null)).toBe(-EINVAL);
    });
  });
});

describe('INTx', () => {
  it('should need a line, memory and no other mode', async () => {
    const findings = await with_intrs({}, async ({ k, vdev, pdev }) => {
      expect(await k.vfio_intx_enable(vdev)).toBe(-ENODEV);
      pdev.irq = 11;
      slab_fail();
      expect(await k.vfio_intx_enable(vdev)).toBe(-ENOMEM);
      expect(await k.vfio_intx_enable(vdev)).toBe(0);
      expect(vdev.irq_type).toBe(INTX);
      expect(await k.vfio_intx_enable(vdev)).toBe(-EINVAL);
      kfree(vdev.ctx);
    });
    expect(findings).toEqual([]);
  });

  it('should start masked when the guest has disabled it', async () => {
    await with_intrs({}, async ({ k, vdev, pdev, disintx }) => {
      pdev.irq = 11;
      vdev.virq_disabled = true;
      expect(await k.vfio_intx_enable(vdev)).toBe(0);
      expect(vdev.ctx[0].masked).toBe(true);
      expect(disintx()).toBe(true);
      // nothing to unmask as long as the guest wants it off
      expect(await k.vfio_pci_intx_unmask_handler(vdev, null)).toBe(0);
      expect(disintx()).toBe(true);
      vdev.virq_disabled = false;
      expect(await k.vfio_pci_intx_unmask_handler(vdev, null)).toBe(0);
      expect(disintx()).toBe(false);
      expect(vdev.ctx[0].masked).toBe(false);
      await k.vfio_pci_intx_mask(vdev);
      expect(disintx()).toBe(true);
      expect(vdev.ctx[0].masked).toBe(true);
    });
  });

  it('should follow the command register when another mode is in use', async () => {
    await with_intrs({}, async ({ k, vdev, disintx }) => {
      await k.vfio_pci_intx_mask(vdev);
      expect(disintx()).toBe(true);
      await k.vfio_pci_intx_unmask(vdev);
      expect(disintx()).toBe(false);
      vdev.pci_2_3 = false;
      await k.vfio_pci_intx_mask(vdev);
      expect(disintx()).toBe(false);
    });
  });

  it('should be masked and unmasked for one interrupt from 0 only, and mask by no eventfd', async () => {
    await with_intrs({}, async ({ k, vdev, pdev, calls, disintx }) => {
      const set = (flags: number, start: number, count: number, data: Uint8Array | null): Promise<number> =>
        k.vfio_pci_set_irqs_ioctl(vdev, flags, INTX, start, count, data);
      expect(await set(NONE | MASK, 0, 1, null)).toBe(-EINVAL);
      pdev.irq = 11;
      await k.vfio_intx_enable(vdev);
      expect(await set(NONE | MASK, 0, 0, null)).toBe(-EINVAL);
      expect(await set(BOOL | MASK, 0, 1, Uint8Array.of(0))).toBe(0);
      expect(disintx()).toBe(false);
      expect(await set(BOOL | MASK, 0, 1, Uint8Array.of(1))).toBe(0);
      expect(disintx()).toBe(true);
      expect(await set(EVENTFD | MASK, 0, 1, fds(0))).toBe(-ENOTTY);
      expect(await set(NONE | UNMASK, 1, 1, null)).toBe(-EINVAL);
      expect(await set(BOOL | UNMASK, 0, 1, Uint8Array.of(0))).toBe(0);
      expect(disintx()).toBe(true);
      expect(await set(NONE | UNMASK, 0, 1, null)).toBe(0);
      expect(disintx()).toBe(false);
      expect(await set(EVENTFD | UNMASK, 0, 1, fds(3))).toBe(0);
      expect(await set(EVENTFD | UNMASK, 0, 1, fds(-1))).toBe(0);
      expect(calls).toEqual(['virqfd on', 'virqfd off']);
    });
  });

  it('should trigger by hand only when enabled, and tear down with count 0', async () => {
    const findings = await with_intrs({}, async ({ k, vdev, pdev, calls }) => {
      const set = (flags: number, count: number, data: Uint8Array | null): Promise<number> =>
        k.vfio_pci_set_irqs_ioctl(vdev, flags | TRIGGER, INTX, 0, count, data);
      expect(await set(NONE, 1, null)).toBe(-EINVAL);
      expect(await set(NONE, 0, null)).toBe(-EINVAL);
      pdev.irq = 11;
      const fd = await sys_eventfd2(0, 0);
      await k.vfio_intx_enable(vdev);
      vdev.ctx[0].trigger = await ctx_of(fd);
      expect(await set(NONE, 1, null)).toBe(0);
      expect(await set(BOOL, 1, Uint8Array.of(1))).toBe(0);
      expect(await set(BOOL, 1, Uint8Array.of(0))).toBe(0);
      expect(vdev.ctx[0].trigger.count).toBe(2n);
      vdev.virq_disabled = true;
      expect(await set(NONE, 1, null)).toBe(0);
      expect(vdev.ctx[0].trigger.count).toBe(2n);
      await eventfd_ctx_put(vdev.ctx[0].trigger);
      vdev.ctx[0].trigger = null;
      expect(await set(NONE, 0, null)).toBe(0);
      expect(calls).toEqual(['virqfd off', 'virqfd off']);
      expect([vdev.irq_type, vdev.num_ctx]).toEqual([NO_IRQ, 0]);
      await sys_close(fd);
    });
    expect(findings).toEqual([]);
  });

  it('should tell of the NULL pointer that a loopback signal without an eventfd follows', async () => {
    const findings = await with_intrs({}, async ({ k, vdev, pdev }) => {
      pdev.irq = 11;
      await k.vfio_intx_enable(vdev);
      expect(await k.vfio_pci_set_irqs_ioctl(vdev, NONE | TRIGGER, INTX, 0, 1, null)).toBe(0);
      kfree(vdev.ctx);
    });
    expect(findings.map((f) => f.kind)).toEqual(['oops']);
  });
});

describe('vfio_msi_set_block', () => {
  it('should undo what it set, and what was set there before, when one vector fails', async () => {
    const done: string[] = [];
    const overrides: Partial<Kernel> = {
      async vfio_msi_set_vector_signal(vdev, vector, fd) {
        done.push(`${vector}=${fd}`);
        return fd === 12 ? -EBADF : 0;
      },
    };
    await with_intrs(overrides, async ({ k, vdev }) => {
      vdev.num_ctx = 4;
      expect(await k.vfio_msi_set_block(vdev, 4, 1, Int32Array.of(10), true)).toBe(-EINVAL);
      expect(await k.vfio_msi_set_block(vdev, 3, 2, Int32Array.of(10, 11), true)).toBe(-EINVAL);
      expect(await k.vfio_msi_set_block(vdev, 1, 3, Int32Array.of(10, 11, 12), true)).toBe(-EBADF);
      expect(done.splice(0)).toEqual(['1=10', '2=11', '3=12', '3=-1', '2=-1', '1=-1']);
      expect(await k.vfio_msi_set_block(vdev, 0, 2, null, false)).toBe(0);
      expect(done).toEqual(['0=-1', '1=-1']);
    });
  });
});

describe('vfio_pci_set_msi_trigger', () => {
  it('should enable, extend, signal and disable', async () => {
    const log: string[] = [];
    let fail = 0;
    const overrides: Partial<Kernel> = {
      async vfio_msi_enable(vdev, nvec, msix) {
        log.push(`enable ${nvec}`);
        vdev.irq_type = msix ? MSIX : MSI;
        return 0;
      },
      async vfio_msi_set_block(vdev, start, count, list) {
        log.push(`block ${start}+${count} ${list?.join() ?? 'null'}`);
        return fail;
      },
      async vfio_msi_disable(vdev) {
        log.push('disable');
        vdev.irq_type = NO_IRQ;
      },
    };
    await with_intrs(overrides, async ({ k, vdev }) => {
      const set = (
        flags: number,
        index: number,
        start: number,
        count: number,
        data: Uint8Array | null,
      ): Promise<number> => k.vfio_pci_set_irqs_ioctl(vdev, flags | TRIGGER, index, start, count, data);
      expect(await set(NONE, MSIX, 0, 0, null)).toBe(-EINVAL);
      fail = -EBADF;
      expect(await set(EVENTFD, MSIX, 1, 2, fds(5, 6))).toBe(-EBADF);
      fail = 0;
      expect(await set(EVENTFD, MSIX, 1, 2, fds(5, 6))).toBe(0);
      expect(await set(EVENTFD, MSI, 0, 1, fds(5))).toBe(-EINVAL);
      expect(await set(EVENTFD, MSIX, 0, 0, null)).toBe(0);
      expect(await set(EVENTFD, MSIX, 0, 1, fds(-1))).toBe(0);
      expect(log).toEqual([
        'enable 3',
        'block 1+2 5,6',
        'disable',
        'enable 3',
        'block 1+2 5,6',
        'block 0+0 null',
        'block 0+1 -1',
      ]);
      const fd = await sys_eventfd2(0, 0);
      const trigger = await ctx_of(fd);
      vdev.num_ctx = 3;
      vdev.ctx = [trigger, null, trigger].map((t) => ({ trigger: t }) as (typeof vdev.ctx)[0]);
      expect(await set(NONE, MSIX, 0, 3, null)).toBe(0);
      expect(trigger.count).toBe(2n);
      expect(await set(BOOL, MSIX, 1, 2, Uint8Array.of(1, 0))).toBe(0);
      expect(trigger.count).toBe(2n);
      expect(await set(BOOL, MSIX, 1, 2, Uint8Array.of(0, 1))).toBe(0);
      expect(trigger.count).toBe(3n);
      expect(await set(NONE, MSIX, 1, 3, null)).toBe(-EINVAL);
      expect(await set(NONE, MSIX, 0, 0, null)).toBe(0);
      expect(vdev.irq_type).toBe(NO_IRQ);
    });
  });
});
