// SPDX-License-Identifier: GPL-2.0-only
import { join, ref, sleep_ns, spawn } from '@vfio-lab/sim';
import { EFAULT, EINVAL, EIO, ENODEV, ENOSPC, ENOTTY, ERANGE } from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import * as P from '../src/index.ts';
import { board, boot, kinds } from './board.ts';

describe('kernel accessors', () => {
  it('read and write each size, little endian', () =>
    boot(board(), async (dev) => {
      const v = ref(0);
      expect(await P.pci_read_config_dword(dev, 0, v)).toBe(0);
      expect(v.v).toBe(0x56781234);
      await P.pci_read_config_word(dev, 2, v);
      expect(v.v).toBe(0x5678);
      await P.pci_read_config_byte(dev, 3, v);
      expect(v.v).toBe(0x56);
      await P.pci_write_config_byte(dev, P.PCI_CACHE_LINE_SIZE, 0x10);
      await P.pci_read_config_byte(dev, P.PCI_CACHE_LINE_SIZE, v);
      expect(v.v).toBe(0x10);
    }).then(() => {}));

  it('refuse a misaligned register with a PCIBIOS code', () =>
    boot(board(), async (dev) => {
      const v = ref(0);
      expect(await P.pci_read_config_word(dev, 1, v)).toBe(P.PCIBIOS_BAD_REGISTER_NUMBER);
      expect(await P.pci_write_config_dword(dev, 2, 0)).toBe(P.PCIBIOS_BAD_REGISTER_NUMBER);
      expect(await P.pcie_capability_read_word(dev, 1, v)).toBe(P.PCIBIOS_BAD_REGISTER_NUMBER);
      expect(await P.pcie_capability_read_dword(dev, 2, v)).toBe(P.PCIBIOS_BAD_REGISTER_NUMBER);
      expect(await P.pcie_capability_write_word(dev, 1, 0)).toBe(P.PCIBIOS_BAD_REGISTER_NUMBER);
      expect(await P.pcie_capability_set_word(dev, 1, 0)).toBe(P.PCIBIOS_BAD_REGISTER_NUMBER);
    }).then(() => {}));

  it('a disconnected device reads all ones with an error code', () =>
    boot(board(), async (dev) => {
      dev.is_disconnected = true;
      const v = ref(0);
      expect(await P.pci_read_config_byte(dev, 0, v)).toBe(P.PCIBIOS_DEVICE_NOT_FOUND);
      expect(v.v).toBe(0xff);
      expect(await P.pci_write_config_byte(dev, 0, 0)).toBe(P.PCIBIOS_DEVICE_NOT_FOUND);
      expect(await P.pci_device_is_present(dev)).toBe(false);
    }).then(() => {}));

  it('maps PCIBIOS codes to errno', () => {
    const codes = [0, -5, 0x81, 0x83, 0x86, 0x87, 0x88, 0x89, 0x99];
    expect(codes.map(P.pcibios_err_to_errno)).toEqual([
      0,
      -5,
      -ENOTTY,
      -ENOTTY,
      -ENODEV,
      -EFAULT,
      -EIO,
      -ENOSPC,
      -ERANGE,
    ]);
  });
});

describe('user accessors', () => {
  it('give -EINVAL for a misaligned register', () =>
    boot(board(), async (dev) => {
      const v = ref(0);
      expect(await P.pci_user_read_config_word(dev, 1, v)).toBe(-EINVAL);
      expect(await P.pci_user_write_config_dword(dev, 2, 0)).toBe(-EINVAL);
    }).then(() => {}));

  it('sleep while block_cfg_access is set; kernel accessors do not', () =>
    boot(board(), async (dev) => {
      const order: string[] = [];
      await P.pci_cfg_access_lock(dev);
      expect(await P.pci_cfg_access_trylock(dev)).toBe(false);
      const v = ref(0);
      const user = spawn('user', async () => {
        await P.pci_user_read_config_dword(dev, 0, v);
        await P.pci_user_write_config_byte(dev, P.PCI_INTERRUPT_LINE, 3);
        await P.pci_user_write_config_word(dev, P.PCI_COMMAND, 3);
        order.push('user');
      });
      const other = spawn('other', async () => {
        await P.pci_cfg_access_lock(dev);
        order.push('locked');
        await P.pci_cfg_access_unlock(dev);
      });
      await sleep_ns(1000);
      await P.pci_read_config_dword(dev, 0, v);
      order.push('kernel');
      await P.pci_cfg_access_unlock(dev);
      await join(user);
      await join(other);
      expect(order[0]).toBe('kernel');
      expect([...order].sort()).toEqual(['kernel', 'locked', 'user']);
      expect(await P.pci_cfg_access_trylock(dev)).toBe(true);
      await P.pci_cfg_access_unlock(dev);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('unlocking what is not locked warns', () =>
    boot(board(), async (dev) => {
      await P.pci_cfg_access_unlock(dev);
    }).then((m) => expect(kinds(m).length).toBe(1)));
});

describe('accesses without power', () => {
  it('are reported once a place as d3cold-access, until power is back', () =>
    boot(board(), async (dev, port) => {
      const v = ref(0);
      port.hw.set_main_power('slot', false);
      await P.pci_read_config_dword(dev, 0, v);
      expect(v.v).toBe(0xffffffff);
      await P.pci_read_config_dword(dev, 0, v);
      await P.pci_write_config_byte(dev, 0x3c, 1);
      const bar = P.pci_iomap(dev, 0, 0);
      if (bar !== null) expect(await P.ioread32(bar)).toBe(0xffffffff);
      port.hw.set_main_power('slot', true);
      await P.pci_read_config_dword(dev, 0, v);
      expect(v.v).toBe(0x56781234);
    }).then((m) => {
      expect(kinds(m)).toEqual(['d3cold-access', 'd3cold-access', 'd3cold-access']);
      expect(m.findings[0].text).toBe('config read of 0000:01:00.0 in D3cold by main');
    }));

  it('a BAR access in D3hot is reported as d3hot-access and reads all ones', () =>
    boot(board({ pmcsr: 8 }), async (dev) => {
      await P.pci_set_power_state(dev, P.PCI_D3hot);
      const bar = P.pci_iomap(dev, 0, 16);
      if (bar === null) throw new Error('no BAR');
      expect(await P.ioread8(bar, 4)).toBe(0xff);
      await P.iowrite8(1, bar, 4);
    }).then((m) => expect(kinds(m)).toEqual(['d3hot-access'])));
});

describe('the PCI Express capability', () => {
  it('registers that a function lacks read 0, the slot status of a port without slot says present', () =>
    boot(board(), async (dev, port) => {
      const v = ref(1);
      expect(await P.pcie_capability_read_word(dev, P.PCI_EXP_RTCTL, v)).toBe(0);
      expect(v.v).toBe(0);
      await P.pcie_capability_read_dword(dev, P.PCI_EXP_SLTCAP, v);
      expect(v.v).toBe(0);
      port.pcie_flags_reg &= ~P.PCI_EXP_FLAGS_SLOT;
      await P.pcie_capability_read_word(port, P.PCI_EXP_SLTSTA, v);
      expect(v.v).toBe(P.PCI_EXP_SLTSTA_PDS);
      expect(await P.pcie_capability_read_word(port, P.PCI_EXP_FLAGS, v)).toBe(0);
      expect(await P.pcie_capability_read_dword(port, 0x38 - 2, v)).toBe(P.PCIBIOS_BAD_REGISTER_NUMBER);
      expect(P.pcie_caps_reg(dev)).toBe(2);
      expect(P.pci_pcie_type(port)).toBe(P.PCI_EXP_TYPE_ROOT_PORT);
    }).then(() => {}));
});
