// SPDX-License-Identifier: GPL-2.0-only
import {
  EBUSY,
  EINVAL,
  EIO,
  ENOENT,
  ENOMEM,
  ENOSYS,
  ERANGE,
  sysfs_list,
  sysfs_read,
  sysfs_write,
} from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import * as P from '../src/index.ts';
import { board, boot, endpoint, kinds, port } from './board.ts';

const dir = '/sys/bus/pci/devices/0000:01:00.0';
const any = {
  device: P.PCI_ANY_ID,
  subvendor: P.PCI_ANY_ID,
  subdevice: P.PCI_ANY_ID,
  class: 0,
  class_mask: 0,
};

describe('SR-IOV', () => {
  it('enabling makes VFs with the ids of the PF, their BARs, no pin and no memory bit', () =>
    boot(board({ sriov: true, flr: true, msix: 2 }), async (dev) => {
      await P.pci_enable_device(dev);
      expect(dev.is_physfn).toBe(true);
      expect(await P.pci_enable_sriov(dev, 2)).toBe(0);
      expect(P.pci_num_vf(dev)).toBe(2);
      const vf = P.pci_find_device_by_name('0000:01:00.2') as P.pci_dev;
      expect([vf.vendor, vf.device, vf.is_virtfn, vf.no_command_memory, vf.irq]).toEqual([
        0x1234,
        0x5679,
        true,
        true,
        0,
      ]);
      expect(P.pci_physfn(vf)).toBe(dev);
      expect(P.pci_iov_vf_id(vf)).toBe(1);
      expect(P.pci_iov_vf_id(dev)).toBe(-EINVAL);
      expect(P.pci_resource_start(vf, 0)).toBe(0xfe005000);
      expect(vf.dev.parent).toBe(dev.dev.parent);
      expect(P.pci_upstream_bridge(vf)).toBe(dev.bus.self);
      const bar = P.pci_iomap(vf, 0, 0);
      if (bar === null) throw new Error('no BAR');
      await P.iowrite32(5, bar, 8);
      expect(await P.ioread32(bar, 8)).toBe(5);
      expect(await P.pci_enable_sriov(dev, 1)).toBe(-EINVAL);
      expect(await sysfs_read(`${dir}/sriov_numvfs`)).toBe('2');
      expect(sysfs_list(dir)).toContain('virtfn1');
      await P.pci_disable_sriov(dev);
      expect(P.pci_find_device_by_name('0000:01:00.2')).toBeNull();
      expect(P.pci_num_vf(dev)).toBe(0);
      await P.pci_disable_sriov(dev);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('a reset of the PF brings the VFs back', () =>
    boot(board({ sriov: true, flr: true }), async (dev) => {
      await P.pci_enable_device(dev);
      await P.pci_enable_sriov(dev, 1);
      expect(await P.pci_reset_function(dev)).toBe(0);
      const vf = P.pci_find_device_by_name('0000:01:00.1') as P.pci_dev;
      expect(dev.hw.get16(0x128)).toBe(P.PCI_SRIOV_CTRL_VFE | P.PCI_SRIOV_CTRL_MSE | P.PCI_SRIOV_CTRL_ARI);
      expect(P.pci().fabric.functions.some((f) => f.pf === dev.hw)).toBe(true);
      expect(vf.physfn).toBe(dev);
    }).then(() => {}));

  it('with the quirk flr_kills_vfs they read all ones while VF Enable stays set', () =>
    boot(board({ sriov: true, flr: true, quirks: { flr_kills_vfs: true } }), async (dev) => {
      await P.pci_enable_device(dev);
      await P.pci_enable_sriov(dev, 1);
      await P.pci_reset_function(dev);
      const vf = P.pci_find_device_by_name('0000:01:00.1') as P.pci_dev;
      expect([...(await P.pci_read_config(vf, 0, 4))]).toEqual([0xff, 0xff, 0xff, 0xff]);
      expect(dev.hw.get16(0x128) & P.PCI_SRIOV_CTRL_VFE).toBe(1);
      expect(dev.hw.get16(0x130)).toBe(0);
    }).then(() => {}));

  it('refuses what cannot be', () =>
    boot(board({ sriov: true }), async (dev, up) => {
      expect(await P.pci_enable_sriov(up, 1)).toBe(-ENOSYS);
      expect(await P.pci_enable_sriov(dev, 0)).toBe(0);
      expect(await P.pci_enable_sriov(dev, 3)).toBe(-EINVAL);
      dev.hw.config[0x12c] = 1;
      expect(await P.pci_enable_sriov(dev, 1)).toBe(-EIO);
      dev.hw.config[0x12c] = 2;
      const res = dev.resource[P.PCI_IOV_RESOURCES];
      const parent = res.parent;
      res.parent = null;
      expect(await P.pci_enable_sriov(dev, 1)).toBe(-ENOMEM);
      res.parent = parent;
      dev.bus.busn_end = 0;
      expect(await P.pci_enable_sriov(dev, 1)).toBe(-ENOMEM);
      dev.bus.busn_end = 1;
      P.pci().fabric.make_vf = () => null;
      expect(await P.pci_enable_sriov(dev, 1)).toBe(-ENOMEM);
      expect(P.pci_num_vf(dev)).toBe(0);
      await P.pci_disable_sriov(up);
      await P.pci_iov_update_resource(up, P.PCI_IOV_RESOURCES);
    }).then(() => {}));

  it('sriov_numvfs needs a driver that knows about it, and 0 between two counts', () =>
    boot(board({ sriov: true }), async (dev) => {
      expect(await sysfs_read(`${dir}/sriov_totalvfs`)).toBe('2');
      expect(await sysfs_write(`${dir}/sriov_numvfs`, '1')).toBe(-ENOENT);
      const drv = P.pci_host_driver('pf', [{ vendor: 0x1234, ...any, device: 0x5678 }]);
      await P.pci_register_driver(drv);
      expect(await sysfs_write(`${dir}/sriov_numvfs`, '1')).toBe(-ENOENT);
      drv.sriov_configure = async (d, n) => {
        if (n > 0) return (await P.pci_enable_sriov(d, n)) || n;
        await P.pci_disable_sriov(d);
        return 0;
      };
      expect(await sysfs_write(`${dir}/sriov_numvfs`, '0')).toBe(1);
      expect(await sysfs_write(`${dir}/sriov_numvfs`, '1')).toBe(1);
      expect(await sysfs_write(`${dir}/sriov_numvfs`, '2')).toBe(-EBUSY);
      expect(await sysfs_write(`${dir}/sriov_numvfs`, '3')).toBe(-ERANGE);
      expect(await sysfs_write(`${dir}/sriov_numvfs`, 'x')).toBe(-EINVAL);
      expect(await sysfs_read(`${dir}/sriov_offset`)).toBe('1');
      expect(await sysfs_read(`${dir}/sriov_stride`)).toBe('1');
      expect(await sysfs_read(`${dir}/sriov_vf_device`)).toBe('5679');
      expect(await sysfs_read(`${dir}/sriov_vf_total_msix`)).toBe('0');
      await P.pci_iov_update_resource(dev, P.PCI_IOV_RESOURCES);
      expect(await sysfs_write(`${dir}/sriov_numvfs`, '0')).toBe(1);
      expect(await sysfs_write(`${dir}/sriov_drivers_autoprobe`, '0')).toBe(1);
      expect(await sysfs_write(`${dir}/sriov_drivers_autoprobe`, 'q')).toBe(-EINVAL);
      expect(await sysfs_read(`${dir}/sriov_drivers_autoprobe`)).toBe('0');
      const vfdrv = P.pci_host_driver('vf', [{ vendor: 0x1234, ...any, device: 0x5679 }]);
      await P.pci_register_driver(vfdrv);
      await sysfs_write(`${dir}/sriov_numvfs`, '1');
      expect(P.pci_find_device_by_name('0000:01:00.1')?.driver).toBeNull();
      await P.pci_unregister_driver(drv);
    }).then((m) =>
      expect(m.log.some((l) => l.includes('driver left SR-IOV enabled after remove'))).toBe(true),
    ));

  it('VFs left enabled by firmware are switched off at scan; a PF without VFs is no PF', () => {
    const on = endpoint({ sriov: true });
    on.config[0x128] = 1;
    const none = endpoint({ sriov: true });
    none.config[0x12e] = 0;
    const odd = endpoint({ sriov: true });
    const resources = odd.resources.map((r, i) => (i === 7 ? { ...r, end: r.start + 0x2ff } : r));
    return boot({ devices: [port(), on] }, async (dev) => expect(dev.hw.get16(0x128) & 1).toBe(0))
      .then(() => boot({ devices: [port(), none] }, async (dev) => expect(dev.is_physfn).toBe(false)))
      .then(() =>
        boot({ devices: [port(), { ...odd, resources }] }, async (dev) => expect(dev.is_physfn).toBe(false)),
      )
      .then(() => {});
  });

  it('a VF may be described by itself', () => {
    const e = endpoint({ sriov: true });
    const vf = {
      config: new Uint8Array(256).fill(0x10, 0, 4),
      wmask: new Uint8Array(256),
      quirks: { refuses_d3: true },
    };
    return boot({ devices: [port(), { ...e, vf }] }, async (dev) => {
      await P.pci_enable_device(dev);
      await P.pci_enable_sriov(dev, 1);
      expect(P.pci_find_device_by_name('0000:01:00.1')?.cfg_size).toBe(256);
    }).then(() => {});
  });
});
