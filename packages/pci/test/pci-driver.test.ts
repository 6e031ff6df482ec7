// SPDX-License-Identifier: GPL-2.0-only
import { EBUSY, EEXIST, EINVAL, EIO, ENODEV, sysfs_readlink, sysfs_write } from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import * as P from '../src/index.ts';
import { board, boot, kinds } from './board.ts';

const any = {
  vendor: P.PCI_ANY_ID,
  device: P.PCI_ANY_ID,
  subvendor: P.PCI_ANY_ID,
  subdevice: P.PCI_ANY_ID,
  class: 0,
  class_mask: 0,
};
const dir = '/sys/bus/pci/drivers/stub';

function stub(ids: readonly P.pci_device_id[]): P.pci_driver {
  return P.pci_host_driver('stub', ids, { enable: false });
}

describe('matching', () => {
  it('by vendor, device, subsystem and class under a mask', () =>
    boot(board(), async (dev) => {
      const id = (o: Partial<P.pci_device_id>): P.pci_device_id => ({ ...any, ...o });
      expect(P.pci_match_id([id({ vendor: 1 }), id({ vendor: 0x1234, device: 0x5678 })], dev)?.device).toBe(
        0x5678,
      );
      expect(P.pci_match_id([id({ subvendor: 1 })], dev)).toBeNull();
      expect(P.pci_match_id([id({ subdevice: 1 })], dev)).toBeNull();
      expect(P.pci_match_id([id({ device: 1 })], dev)).toBeNull();
      expect(P.pci_match_id([id({ class: 0xff0100, class_mask: 0xff0000 })], dev)).not.toBeNull();
      expect(P.pci_match_id([id({ class: 0x010000, class_mask: 0xff0000 })], dev)).toBeNull();
      expect(P.pci_match_id(null, dev)).toBeNull();
    }).then(() => {}));

  it('driver_override binds that driver alone, without any id; override_only entries need it', () =>
    boot(board(), async (dev) => {
      const drv = stub([{ ...any, override_only: 1 }]);
      await P.pci_register_driver(drv);
      expect(dev.driver).toBeNull();
      await sysfs_write('/sys/bus/pci/devices/0000:01:00.0/driver_override', 'other');
      expect(await sysfs_write('/sys/bus/pci/drivers_probe', '0000:01:00.0')).toBeGreaterThan(0);
      expect(dev.driver).toBeNull();
      await sysfs_write('/sys/bus/pci/devices/0000:01:00.0/driver_override', 'stub');
      await sysfs_write('/sys/bus/pci/drivers_probe', '0000:01:00.0');
      expect(dev.driver).toBe(drv);
      expect(P.pci_dev_driver(dev)).toBe(drv);
      expect(sysfs_readlink('/sys/bus/pci/devices/0000:01:00.0/driver')).toBe('stub');
      await sysfs_write(`${dir}/unbind`, '0000:01:00.0');
      expect(dev.driver).toBeNull();
      drv.id_table = null;
      await sysfs_write(`${dir}/bind`, '0000:01:00.0');
      expect(dev.driver).toBe(drv);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('new_id adds an id, refuses duplicates and unknown driver data; remove_id takes it away', () =>
    boot(board(), async (dev) => {
      const drv = stub([{ ...any, vendor: 1, driver_data: 0 }]);
      await P.pci_register_driver(drv);
      expect(await sysfs_write(`${dir}/new_id`, '1234')).toBe(-EINVAL);
      expect(await sysfs_write(`${dir}/new_id`, '1234 5678 zz')).toBe(12);
      expect(dev.driver).toBe(drv);
      expect(await sysfs_write(`${dir}/new_id`, '1234 5678')).toBe(-EEXIST);
      expect(await sysfs_write(`${dir}/new_id`, '1 2')).toBe(-EEXIST);
      expect(await sysfs_write(`${dir}/new_id`, '4 5 6 7 0 0 9')).toBe(-EINVAL);
      expect(await sysfs_write(`${dir}/remove_id`, '1234')).toBe(-EINVAL);
      expect(await sysfs_write(`${dir}/remove_id`, '1234 5678')).toBe(9);
      expect(await sysfs_write(`${dir}/remove_id`, '1234 5678')).toBe(-ENODEV);
    }).then(() => {}));
});

describe('binding', () => {
  it('probe runs with the device active and one count; a failing probe gives it back', () =>
    boot(board(), async (dev) => {
      const drv = stub([{ ...any, vendor: 0x1234 }]);
      const counts: number[] = [];
      drv.probe = (d) => (counts.push(d.dev.power.usage_count.counter), -EIO);
      await P.pci_register_driver(drv);
      expect(counts).toEqual([2]);
      expect([dev.driver, dev.dev.power.usage_count.counter]).toEqual([null, 1]);
      drv.probe = () => 7;
      await sysfs_write(`${dir}/bind`, '0000:01:00.0');
      expect(dev.driver).toBe(drv);
      P.pci_set_drvdata(dev, 'mine');
      expect(P.pci_get_drvdata(dev)).toBe('mine');
      drv.remove = null;
      await P.pci_unregister_driver(drv);
      expect([dev.driver, dev.dev.power.usage_count.counter]).toEqual([null, 1]);
    }).then((m) => expect(m.log.some((l) => l.includes('unexpectedly returned 7'))).toBe(true)));

  it('a driver without probe binds; unbinding D0 leaves "unknown" in v5.19 and D0 in 6.1', async () => {
    for (const [kernel, state] of [
      ['v5.19', P.PCI_UNKNOWN],
      ['v6.1.192', P.PCI_D0],
    ] as const) {
      await boot({ ...board(), kernel }, async (dev) => {
        const drv = P.pci_host_driver('nic', [{ ...any, vendor: 0x1234 }], { msi: true });
        await P.pci_register_driver(drv);
        expect([dev.enable_cnt.counter, dev.is_busmaster]).toEqual([1, true]);
        await P.pci_unregister_driver(drv);
        expect(dev.current_state).toBe(state);
        const none = stub([{ ...any, vendor: 0x1234 }]);
        none.probe = null;
        await P.pci_register_driver(none);
        expect(dev.dev.driver).toBe(none.driver);
      });
    }
  });

  it('a driver that does its own DMA needs the group free of user space', () =>
    boot(board(), async (dev) => {
      const seen: string[] = [];
      let busy = true;
      P.pci().dma_owner = {
        use_default_domain: () => (busy ? -EBUSY : (seen.push('use'), 0)),
        unuse_default_domain: () => void seen.push('unuse'),
      };
      const drv = stub([{ ...any, vendor: 0x1234 }]);
      await P.pci_register_driver(drv);
      expect(dev.driver).toBeNull();
      busy = false;
      await sysfs_write(`${dir}/bind`, '0000:01:00.0');
      await P.pci_unregister_driver(drv);
      expect(seen).toEqual(['use', 'unuse']);
      const own = stub([{ ...any, vendor: 0x1234 }]);
      own.driver_managed_dma = true;
      busy = true;
      await P.pci_register_driver(own);
      expect(dev.driver).toBe(own);
    }).then(() => {}));

  it('shutdown resumes the device, asks the driver and stops mastering', () =>
    boot(board(), async (dev) => {
      const drv = stub([{ ...any, vendor: 0x1234 }]);
      let down = 0;
      drv.shutdown = () => void down++;
      await P.pci_register_driver(drv);
      await P.pci_enable_device(dev);
      await P.pci_set_master(dev);
      await P.pci_bus_type().shutdown?.(dev.dev);
      expect([down, dev.is_busmaster]).toEqual([1, false]);
      expect(P.pci_bus_type().num_vf?.(dev.dev)).toBe(0);
    }).then(() => {}));

  it('the port driver takes ports alone and lets go of them', () =>
    boot({ ...board(), bios_year: 2020 }, async (dev, up) => {
      expect([up.driver?.name, dev.driver]).toEqual(['pcieport', null]);
      expect(up.dev.power.usage_count.counter).toBe(0);
      expect(dev.dev.power.can_wakeup).toBe(true);
      await sysfs_write('/sys/bus/pci/drivers/pcieport/unbind', '0000:00:01.0');
      expect([up.driver, up.enable_cnt.counter, up.dev.power.usage_count.counter]).toEqual([null, 0, 1]);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('a conventional bridge is no port', () =>
    boot(
      {
        devices: [
          ...board({}, { last: 2 }).devices.slice(0, 1),
          {
            ...board({}, { bdf: '0000:01:00.0', parent: '0000:00:01.0', bus: 2, conventional: true })
              .devices[0],
          },
        ],
        bios_year: 2014,
      },
      async (bridge, up) => {
        expect([up.driver?.name, bridge.driver]).toEqual(['pcieport', null]);
        expect(up.dev.power.usage_count.counter).toBe(2);
      },
    ).then(() => {}));
});
