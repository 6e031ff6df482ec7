// SPDX-License-Identifier: GPL-2.0-only
import { ref, sleep_ns } from '@vfio-lab/sim';
import { EINVAL, ENOMEM, ENOSPC, ERANGE } from '@vfio-lab/kernel';
import { free_irq, IRQ_HANDLED, request_irq } from '@vfio-lab/irq';
import { describe, expect, it } from 'vitest';
import * as P from '../src/index.ts';
import { board, boot, endpoint, kinds, port } from './board.ts';

async function command(dev: P.pci_dev): Promise<number> {
  const v = ref(0);
  await P.pci_read_config_word(dev, P.PCI_COMMAND, v);
  return v.v;
}

describe('MSI', () => {
  it('needs D0, a capability, and enough messages', () =>
    boot(board({ msi: 0x80 }), async (dev) => {
      expect(await P.pci_alloc_irq_vectors(dev, 1, 1, P.PCI_IRQ_MSI)).toBe(-EINVAL);
      await P.pci_enable_device(dev);
      expect(await P.pci_alloc_irq_vectors(dev, 2, 1, P.PCI_IRQ_MSI)).toBe(-ERANGE);
      expect(await P.pci_alloc_irq_vectors(dev, 2, 4, P.PCI_IRQ_MSI)).toBe(-ENOSPC);
      expect(await P.pci_alloc_irq_vectors(dev, 1, 4, P.PCI_IRQ_MSIX)).toBe(-EINVAL);
      expect(await P.pci_msi_vec_count(dev)).toBe(1);
      expect(await P.pci_msix_vec_count(dev)).toBe(-EINVAL);
      dev.no_msi = true;
      expect(await P.pci_alloc_irq_vectors(dev, 1, 1, P.PCI_IRQ_MSI)).toBe(-EINVAL);
      dev.no_msi = false;
      dev.msi_cap = 0;
      expect(await P.pci_alloc_irq_vectors(dev, 1, 1, P.PCI_IRQ_MSI)).toBe(-EINVAL);
      expect(await P.pci_alloc_irq_vectors(dev, 1, 1, 0)).toBe(-ENOSPC);
    }).then(() => {}));

  it('delivers each vector to its handler; DisINTx is set meanwhile and dev->irq is the first vector', () =>
    boot(board({ msi: 0x0184 }), async (dev) => {
      await P.pci_enable_device(dev);
      await P.pci_set_master(dev);
      expect(await P.pci_alloc_irq_vectors(dev, 1, 3, P.PCI_IRQ_MSI)).toBe(3);
      expect(await command(dev)).toBe(0x0407);
      const seen: number[] = [];
      for (let i = 0; i < 3; i++) {
        await request_irq(P.pci_irq_vector(dev, i), () => (seen.push(i), IRQ_HANDLED), 0, `v${i}`, dev);
      }
      expect(dev.irq).toBe(P.pci_irq_vector(dev, 0));
      expect(P.pci_irq_vector(dev, 3)).toBe(-EINVAL);
      dev.hw.send_msi(2);
      dev.hw.send_msi(0);
      await sleep_ns(1e6);
      expect(seen.sort((a, b) => a - b)).toEqual([0, 2]);
      for (let i = 0; i < 3; i++) await free_irq(P.pci_irq_vector(dev, i), dev);
      await P.pci_free_irq_vectors(dev);
      await P.pci_free_irq_vectors(dev);
      expect(dev.irq).toBe(11);
      expect(await command(dev)).toBe(7);
      expect(dev.hw.msi_enabled()).toBe(false);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('the message is there while the vector is in use, and empty afterwards', () =>
    boot(board({ msi: 0x80 }), async (dev) => {
      const message = () => [dev.hw.get32(dev.msi_cap + 4), dev.hw.get16(dev.msi_cap + 12)];
      await P.pci_enable_device(dev);
      await P.pci_alloc_irq_vectors(dev, 1, 1, P.PCI_IRQ_MSI);
      const irq = P.pci_irq_vector(dev, 0);
      const used = message();
      expect(used[0]).toBe(0xfee00000);
      await request_irq(irq, () => IRQ_HANDLED, 0, 'v', dev);
      expect(message()).toEqual(used);
      await free_irq(irq, dev);
      expect(message()).toEqual([0, 0]);
      await request_irq(irq, () => IRQ_HANDLED, 0, 'v', dev);
      expect(message()).toEqual(used);
      await free_irq(irq, dev);
      await P.pci_free_irq_vectors(dev);
      await P.pci_alloc_irq_vectors(dev, 1, 1, P.PCI_IRQ_MSI);
      expect(message()[0]).toBe(0xfee00000);
      await P.pci_free_irq_vectors(dev);
      expect(message()).toEqual([0, 0]);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('allocating twice warns, and the other kind is refused', () =>
    boot(board({ msi: 0, msix: 2 }), async (dev) => {
      await P.pci_enable_device(dev);
      expect(await P.pci_alloc_irq_vectors(dev, 1, 1, P.PCI_IRQ_MSI)).toBe(1);
      expect(await P.pci_alloc_irq_vectors(dev, 1, 1, P.PCI_IRQ_MSI)).toBe(-EINVAL);
      expect(await P.pci_alloc_irq_vectors(dev, 1, 1, P.PCI_IRQ_MSIX)).toBe(-EINVAL);
      await P.pci_free_irq_vectors(dev);
      expect(await P.pci_alloc_irq_vectors(dev, 1, 2, P.PCI_IRQ_MSIX)).toBe(2);
      expect(await P.pci_alloc_irq_vectors(dev, 1, 2, P.PCI_IRQ_MSIX)).toBe(-EINVAL);
      expect(await P.pci_alloc_irq_vectors(dev, 1, 1, P.PCI_IRQ_MSI)).toBe(-EINVAL);
      await P.pci_free_irq_vectors(dev);
    }).then((m) => expect(kinds(m).length).toBe(2)));

  it('INTx is the last resort', () =>
    boot(board(), async (dev) => {
      await P.pci_enable_device(dev);
      expect(await P.pci_alloc_irq_vectors(dev, 1, 4, P.PCI_IRQ_ALL_TYPES)).toBe(1);
      expect(P.pci_irq_vector(dev, 0)).toBe(11);
      expect(P.pci_irq_vector(dev, 1)).toBe(-EINVAL);
    }).then(() => {}));

  it('restore re-creates the registers from the descriptors', () =>
    boot(board({ msi: 0x0100, flr: true }), async (dev) => {
      await P.pci_enable_device(dev);
      await P.pci_set_master(dev);
      await P.pci_alloc_irq_vectors(dev, 1, 1, P.PCI_IRQ_MSI);
      expect(await P.pci_reset_function(dev)).toBe(0);
      expect(dev.hw.msi_enabled()).toBe(true);
      expect(dev.hw.get32(0x54)).toBe(0xfee00000);
      expect(await command(dev)).toBe(0x0407);
      await P.pci_free_irq_vectors(dev);
    }).then(() => {}));
});

describe('MSI-X', () => {
  it('masks every entry until its handler comes, and again when it goes', () =>
    boot(board({ msix: 4 }), async (dev) => {
      await P.pci_enable_device(dev);
      await P.pci_set_master(dev);
      expect(await P.pci_alloc_irq_vectors(dev, 1, 9, P.PCI_IRQ_MSIX | P.PCI_IRQ_MSI)).toBe(4);
      expect(dev.irq).toBe(11);
      let seen = 0;
      const irq = P.pci_irq_vector(dev, 2);
      dev.hw.send_msi(2);
      expect(dev.hw.bar_read(1, 2 * 16 + 12, 4)).toBe(1);
      await request_irq(irq, () => (seen++, IRQ_HANDLED), 0, 'v2', dev);
      await sleep_ns(1e6);
      expect(seen).toBe(1);
      expect(dev.hw.bar_read(1, 2 * 16 + 12, 4)).toBe(0);
      await free_irq(irq, dev);
      expect(dev.hw.bar_read(1, 2 * 16 + 12, 4)).toBe(1);
      expect(dev.hw.bar_read(1, 2 * 16, 4)).toBe(0);
      expect(P.pci_irq_vector(dev, 4)).toBe(-EINVAL);
      await P.pci_free_irq_vectors(dev);
      expect(dev.hw.msix_enabled()).toBe(false);
      expect(await command(dev)).toBe(7);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('writes a changed message to the entry in D0, only the cache otherwise', () =>
    boot(board({ msix: 2, pmcsr: 8 }), async (dev) => {
      await P.pci_enable_device(dev);
      await P.pci_alloc_irq_vectors(dev, 2, 2, P.PCI_IRQ_MSIX);
      const irq = P.pci_irq_vector(dev, 1);
      await request_irq(irq, () => IRQ_HANDLED, 0, 'v', dev);
      const msg = new P.msi_msg();
      P.get_cached_msi_msg(irq, msg);
      expect(msg.address_lo).toBe(0xfee00000);
      dev.hw.bar_write(1, 16, 4, 0);
      await P.pci_write_msi_msg(irq, msg);
      expect(dev.hw.bar_read(1, 16, 4)).toBe(0xfee00000);
      await P.pci_set_power_state(dev, P.PCI_D3hot);
      msg.data = 77;
      await P.pci_write_msi_msg(irq, msg);
      const again = new P.msi_msg();
      P.get_cached_msi_msg(irq, again);
      expect(again.data).toBe(77);
      P.get_cached_msi_msg(11, again);
      await P.pci_write_msi_msg(11, again);
      expect(again.data).toBe(77);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('a table that cannot be mapped gives -ENOMEM and leaves MSI-X off', () =>
    boot(board({ msix: 2 }), async (dev) => {
      await P.pci_enable_device(dev);
      dev.resource[1].flags = 0;
      expect(await P.pci_alloc_irq_vectors(dev, 1, 2, P.PCI_IRQ_MSIX)).toBe(-ENOMEM);
      expect(dev.hw.msix_enabled()).toBe(false);
      expect(await P.pci_alloc_irq_vectors(dev, 3, 2, P.PCI_IRQ_MSIX)).toBe(-ERANGE);
      expect(await P.pci_alloc_irq_vectors(dev, 3, 4, P.PCI_IRQ_MSIX)).toBe(-ENOSPC);
    }).then(() => {}));

  it('6.1 turns memory decode on while it restores the table', async () => {
    const run = (kernel: P.pci_kernel): Promise<number> => {
      let lo = 0;
      return boot({ devices: [port(), endpoint({ msix: 2, flr: true })], kernel }, async (dev) => {
        await P.pci_enable_device(dev);
        await P.pci_alloc_irq_vectors(dev, 1, 2, P.PCI_IRQ_MSIX);
        await P.pci_save_state(dev);
        dev.saved_config_space[1] = (dev.saved_config_space[1] & ~2) >>> 0;
        dev.hw.reset('flr');
        await P.pci_restore_state(dev);
        expect(dev.hw.get16(P.PCI_COMMAND) & 2).toBe(0);
        lo = dev.hw.bar_read(1, 0, 4);
        dev.is_disconnected = true;
        await P.pci_free_irq_vectors(dev);
      }).then(() => lo);
    };
    expect(await run('v6.1.192')).toBe(0xfee00000);
    expect(await run('v5.19')).toBe(0);
  });

  it('a message that nobody asked for goes nowhere', () =>
    boot(
      board({ msix: 2 }),
      async () => {
        P.deliver_msi(12345);
      },
      { tracing: true },
    ).then((m) => expect(m.events.some((e) => e.text.includes('goes nowhere'))).toBe(true)));

  it('the scan turns off what firmware left on', () => {
    const e = endpoint({ msi: 0x0001, msix: 2 });
    e.config[0xa3] = 0x80;
    return boot({ devices: [port(), e] }, async (dev) => {
      expect(dev.hw.msi_enabled()).toBe(false);
      expect(dev.hw.msix_enabled()).toBe(false);
      expect(dev.no_64bit_msi).toBe(true);
    }).then(() => {});
  });
});
