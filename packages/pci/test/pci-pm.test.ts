// SPDX-License-Identifier: GPL-2.0-only
import { machine, ref, sleep_ns } from '@vfio-lab/sim';
import { EBUSY, EINVAL, EIO, ENODEV, ENOSYS, RPM_SUSPENDED, sysfs_read, sysfs_write } from '@vfio-lab/kernel';
import {
  device_set_wakeup_enable,
  pm_runtime_allow,
  pm_runtime_get_sync,
  pm_runtime_put,
  pm_runtime_put_sync,
  pm_runtime_suspended,
} from '@vfio-lab/runtime-pm';
import { describe, expect, it } from 'vitest';
import * as P from '../src/index.ts';
import { board, boot, endpoint, kinds, model_of, port, slot_power } from './board.ts';

const ms = 1_000_000;

/** A driver with runtime PM that lets its devices sleep. */
async function sleepy(pm: NonNullable<P.pci_driver['driver']['pm']> = {}): Promise<P.pci_driver> {
  const drv = new P.pci_driver();
  drv.name = 'sleepy';
  drv.id_table = [
    {
      vendor: 0x1234,
      device: P.PCI_ANY_ID,
      subvendor: P.PCI_ANY_ID,
      subdevice: P.PCI_ANY_ID,
      class: 0,
      class_mask: 0,
    },
  ];
  drv.driver.pm = pm;
  drv.probe = async (dev) => {
    await P.pci_enable_device(dev);
    await pm_runtime_allow(dev.dev);
    await pm_runtime_put(dev.dev);
    return 0;
  };
  drv.remove = async (dev) => {
    await pm_runtime_get_sync(dev.dev);
    await P.pci_disable_device(dev);
  };
  await P.pci_register_driver(drv);
  return drv;
}

async function until(cond: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !cond(); i++) await sleep_ns(10 * ms);
  expect(cond()).toBe(true);
}

function asleep(dev: P.pci_dev): Promise<void> {
  return until(() => dev.dev.power.runtime_status === RPM_SUSPENDED);
}

async function pmcsr(dev: P.pci_dev): Promise<number> {
  const v = ref(0);
  await P.pci_read_config_word(dev, dev.pm_cap + P.PCI_PM_CTRL, v);
  return v.v;
}

describe('pci_set_power_state', () => {
  it('trusts current_state: nothing happens when it is there already', () =>
    boot(board({ pmcsr: 8 }), async (dev) => {
      dev.current_state = P.PCI_D3hot;
      expect(await P.pci_set_power_state(dev, P.PCI_D3hot)).toBe(0);
      expect(dev.hw.power).toBe(0);
    }).then(() => {}));

  it('goes to D3hot and back with 10 ms each way', () =>
    boot(
      board({ pmcsr: 8 }),
      async (dev) => {
        await P.pci_enable_device(dev);
        expect(await P.pci_set_power_state(dev, P.PCI_D3hot)).toBe(0);
        expect([dev.current_state, dev.hw.power]).toEqual([P.PCI_D3hot, 3]);
        expect(await P.pci_set_power_state(dev, -7)).toBe(0);
        expect([dev.current_state, dev.hw.power]).toEqual([P.PCI_D0, 0]);
      },
      { tracing: true },
    ).then((m) => {
      expect(m.clock.now).toBeGreaterThan(20 * ms);
      expect(m.events.filter((e) => e.kind === 'pci').map((e) => e.text)).toContain(
        '0000:01:00.0: D0 -> D3hot',
      );
    }));

  it('D3hot to D0 with NoSoftRst clear puts back BARs only', () =>
    boot(board({ pmcsr: 0 }), async (dev) => {
      await P.pci_enable_device(dev);
      await P.pci_set_power_state(dev, P.PCI_D3hot);
      await P.pci_set_power_state(dev, P.PCI_D0);
      const v = ref(0);
      await P.pci_read_config_dword(dev, P.PCI_BASE_ADDRESS_0, v);
      expect(v.v).toBe(0xfe000000);
      await P.pci_read_config_word(dev, P.PCI_COMMAND, v);
      expect(v.v).toBe(0);
      expect(model_of(dev).resets).toEqual(['d3hot']);
    }).then(() => {}));

  it('without a PM capability gives -EIO and the state stays', () =>
    boot(board({ no_pm: true }), async (dev) => {
      await P.pci_enable_device(dev);
      expect(await P.pci_set_power_state(dev, P.PCI_D3hot)).toBe(-EIO);
      expect(dev.current_state).toBe(P.PCI_D0);
    }).then(() => {}));

  it('-EINVAL to a shallower low state, -EIO for D1 and D2 without support', () =>
    boot(board({ pmc: 0x0603, pmcsr: 8 }), async (dev) => {
      await P.pci_enable_device(dev);
      expect(await P.pci_set_power_state(dev, P.PCI_D2)).toBe(0);
      expect(await P.pci_set_power_state(dev, P.PCI_D1)).toBe(-EINVAL);
      expect(await P.pci_set_power_state(dev, P.PCI_D0)).toBe(0);
      dev.d1_support = false;
      expect(await P.pci_set_power_state(dev, P.PCI_D1)).toBe(-EIO);
      dev.no_d1d2 = true;
      expect(await P.pci_set_power_state(dev, P.PCI_D1)).toBe(0);
      expect(dev.current_state).toBe(P.PCI_D0);
    }).then(() => {}));

  it('a device quirked against D3 says 0 and stays', () =>
    boot(board({ dev_flags: P.PCI_DEV_FLAGS_NO_D3 }), async (dev) => {
      await P.pci_enable_device(dev);
      expect(await P.pci_set_power_state(dev, P.PCI_D3hot)).toBe(0);
      expect(dev.current_state).toBe(P.PCI_D0);
    }).then(() => {}));

  it('a refusal is only logged', () =>
    boot(board({ quirks: { refuses_d3: true } }), async (dev) => {
      await P.pci_enable_device(dev);
      expect(await P.pci_set_power_state(dev, P.PCI_D3hot)).toBe(0);
      expect(dev.current_state).toBe(P.PCI_D0);
    }).then((m) => expect(m.log.some((l) => l.includes('Refused to change power state'))).toBe(true)));

  it('an absent device becomes D3cold with -EIO, both ways', () =>
    boot(board(), async (dev) => {
      await P.pci_enable_device(dev);
      dev.hw.present = false;
      expect(await P.pci_set_power_state(dev, P.PCI_D3hot)).toBe(-EIO);
      expect(dev.current_state).toBe(P.PCI_D3cold);
      dev.current_state = P.PCI_D3hot;
      expect(await P.pci_set_power_state(dev, P.PCI_D0)).toBe(-EIO);
      expect(dev.current_state).toBe(P.PCI_D3cold);
    }).then(() => {}));

  it('D3cold without a platform ends in D3hot', () =>
    boot(board({ pmcsr: 8 }), async (dev) => {
      await P.pci_enable_device(dev);
      expect(await P.pci_set_power_state(dev, 99)).toBe(0);
      expect(dev.current_state).toBe(P.PCI_D3hot);
    }).then(() => {}));

  it('6.1: does not write again when it is there, says 0 for D0 without PM capability, waits after a soft reset', async () => {
    await boot({ ...board({ no_pm: true }), kernel: 'v6.1.192' }, async (dev) => {
      dev.current_state = P.PCI_D3hot;
      expect(await P.pci_set_power_state(dev, P.PCI_D0)).toBe(0);
      expect(dev.current_state).toBe(P.PCI_D0);
    });
    await boot({ ...board(), kernel: 'v6.1.192' }, async (dev) => {
      await P.pci_enable_device(dev);
      await P.pci_set_power_state(dev, P.PCI_D3hot);
      expect(await P.pci_power_up(dev)).toBe(1);
      await P.pci_set_power_state(dev, P.PCI_D3hot);
      dev.is_disconnected = true;
      expect(await P.pci_power_up(dev)).toBe(-EIO);
      expect(dev.current_state).toBe(P.PCI_D3cold);
    });
    await boot(board({ no_pm: true }), async (dev) => {
      dev.current_state = P.PCI_D3hot;
      expect(await P.pci_set_power_state(dev, P.PCI_D0)).toBe(-EIO);
    });
  });
});

describe('runtime PM of the bus', () => {
  it('a driver with an empty pm table: saved, D3hot, and config space back before resume ends', () =>
    boot(board({ pmcsr: 0 }), async (dev) => {
      const drv = await sleepy();
      await asleep(dev);
      expect([dev.current_state, dev.hw.power, dev.state_saved]).toEqual([P.PCI_D3hot, 3, true]);
      await pm_runtime_get_sync(dev.dev);
      expect(dev.current_state).toBe(P.PCI_D0);
      expect(dev.hw.get16(P.PCI_COMMAND)).toBe(3);
      await pm_runtime_put(dev.dev);
      await P.pci_unregister_driver(drv);
      expect(dev.driver).toBeNull();
      expect(dev.current_state).toBe(P.PCI_UNKNOWN);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('without a pm table the bus refuses to idle', () =>
    boot(board(), async (dev) => {
      const drv = await sleepy();
      drv.driver.pm = null;
      const bus = P.pci_bus_type();
      expect(await bus.pm?.runtime_idle?.(dev.dev)).toBe(-ENOSYS);
      drv.driver.pm = { runtime_idle: () => -EBUSY };
      expect(await bus.pm?.runtime_idle?.(dev.dev)).toBe(-EBUSY);
      await P.pci_unregister_driver(drv);
      expect(await bus.pm?.runtime_idle?.(dev.dev)).toBe(0);
    }).then(() => {}));

  it("the driver's callbacks run before the bus acts on suspend and after it on resume", () => {
    const seen: string[] = [];
    return boot(board({ pmcsr: 8 }), async (dev) => {
      await sleepy({
        runtime_suspend: () => (seen.push(`suspend in ${P.pci_power_name(dev.current_state)}`), 0),
        runtime_resume: () => (seen.push(`resume in ${P.pci_power_name(dev.current_state)}`), 0),
      });
      await asleep(dev);
      await pm_runtime_get_sync(dev.dev);
    }).then(() => expect(seen.slice(0, 2)).toEqual(['suspend in D0', 'resume in D0']));
  });

  it('a driver that went to D3hot by itself without saving is left alone, with one warning', () =>
    boot(board({ pmcsr: 8 }), async (dev) => {
      await sleepy({ runtime_suspend: (d) => P.pci_set_power_state(P.to_pci_dev(d), P.PCI_D3hot) });
      await asleep(dev);
      expect(dev.state_saved).toBe(false);
    }).then((m) => expect(kinds(m).length).toBe(1)));

  it('a driver error keeps it awake', () => {
    let tries = 0;
    return boot(board(), async (dev) => {
      await sleepy({ runtime_suspend: () => (tries++ === 0 ? -EBUSY : -EIO) });
      await sleep_ns(ms);
      await pm_runtime_get_sync(dev.dev);
      await pm_runtime_put_sync(dev.dev);
      expect(pm_runtime_suspended(dev.dev)).toBe(false);
      expect(dev.current_state).not.toBe(P.PCI_D3hot);
    }).then(() => {});
  });

  it('without a driver it is saved and stays in D0', () =>
    boot(board(), async (dev) => {
      await pm_runtime_allow(dev.dev);
      await asleep(dev);
      expect(dev.hw.power).toBe(0);
      expect(dev.state_saved).toBe(true);
      await pm_runtime_get_sync(dev.dev);
      expect(dev.state_saved).toBe(false);
    }).then(() => {}));
});

const cold = (o: Parameters<typeof board>[0] = {}): P.pci_machine_description => ({
  ...board({ pmcsr: 8, ...o }),
  bios_year: 2020,
  power_resources: [slot_power()],
});

describe('D3cold by the port above', () => {
  it('the port follows its child after 100 ms, everything below is marked and loses its state', () =>
    boot(cold(), async (dev, up) => {
      await sleepy();
      await asleep(dev);
      await asleep(up);
      expect([up.current_state, dev.current_state]).toEqual([P.PCI_D3cold, P.PCI_D3cold]);
      expect(dev.hw.hw_state()).toBe(P.PCI_HW_D3COLD);
      await pm_runtime_get_sync(dev.dev);
      expect([up.current_state, dev.current_state]).toEqual([P.PCI_D0, P.PCI_D0]);
      expect(dev.hw.get16(P.PCI_COMMAND)).toBe(3);
      expect(dev.hw.get32(P.PCI_BASE_ADDRESS_0)).toBe(0xfe000000);
      expect(model_of(dev).resets).toEqual(['power']);
    }).then((m) => {
      expect(kinds(m)).toEqual([]);
      expect(m.clock.now).toBeGreaterThan(200 * ms);
    }));

  it('resuming one function resumes the port, and the port asks all functions to resume', () =>
    boot(
      {
        devices: [
          port(),
          endpoint({ bdf: '0000:01:00.1', base: 0xfe010000, pmcsr: 8 }),
          endpoint({ header: 0x80, pmcsr: 8 }),
        ],
        power_resources: [slot_power()],
      },
      async (dev, up) => {
        const seen: string[] = [];
        await sleepy({ runtime_resume: (d) => (seen.push(d.name), 0) });
        await asleep(up);
        seen.length = 0;
        await pm_runtime_get_sync(dev.dev);
        await sleep_ns(ms);
        expect(seen.sort()).toEqual(['0000:01:00.0', '0000:01:00.1']);
      },
    ).then(() => {}));

  it('a config read through sysfs resumes a device in D3cold, not one in D3hot', () =>
    boot(cold(), async (dev, up) => {
      const resumed: string[] = [];
      await sleepy({ runtime_resume: (d) => (resumed.push(d.name), 0) });
      await asleep(up);
      resumed.length = 0;
      const bytes = await P.pci_read_config(dev, 0, 4);
      expect([...bytes]).toEqual([0x34, 0x12, 0x78, 0x56]);
      expect(resumed).toEqual(['0000:01:00.0']);
      await asleep(up);
      await pm_runtime_get_sync(up.dev);
      await sleep_ns(50 * ms);
      await asleep(dev);
      expect(dev.current_state).toBe(P.PCI_D3hot);
      resumed.length = 0;
      await P.pci_read_config(dev, 0, 4);
      expect(resumed).toEqual([]);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('a child that may not go to D3cold keeps the port in D3hot at most: bridge_d3 is off', () =>
    boot(cold(), async (dev, up) => {
      expect(up.bridge_d3).toBe(true);
      await sysfs_write('/sys/bus/pci/devices/0000:01:00.0/d3cold_allowed', '0');
      expect(up.bridge_d3).toBe(false);
      expect(dev.no_d3cold).toBe(true);
      await sleepy();
      await asleep(dev);
      await sleep_ns(500 * ms);
      expect(pm_runtime_suspended(up.dev)).toBe(false);
      await sysfs_write('/sys/bus/pci/devices/0000:01:00.0/d3cold_allowed', '1\n');
      expect(up.bridge_d3).toBe(true);
      await asleep(up);
      expect(await sysfs_read('/sys/bus/pci/devices/0000:01:00.0/power_state')).toBe('D3cold');
    }).then(() => {}));

  it('6.1 keeps d3cold_allowed apart from no_d3cold', () =>
    boot({ ...cold(), kernel: 'v6.1.192' }, async (dev, up) => {
      await sysfs_write('/sys/bus/pci/devices/0000:01:00.0/d3cold_allowed', '0');
      expect([dev.no_d3cold, dev.d3cold_allowed, up.bridge_d3]).toEqual([false, false, false]);
      await P.pci_d3cold_disable(dev);
      await P.pci_d3cold_disable(dev);
      expect(dev.no_d3cold).toBe(true);
      await P.pci_d3cold_enable(dev);
      await P.pci_d3cold_enable(dev);
      expect(dev.no_d3cold).toBe(false);
    }).then(() => {}));

  it('6.1: a link that stays down marks what is below as disconnected', () =>
    boot(
      {
        devices: [port({ speeds: 0xe, link_up: false }), endpoint({ pmcsr: 8 })],
        power_resources: [slot_power()],
        kernel: 'v6.1.192',
      },
      async (dev, up) => {
        await sleepy();
        await asleep(up);
        await pm_runtime_get_sync(up.dev);
        expect(dev.is_disconnected).toBe(true);
      },
    ).then((m) =>
      expect(m.log.some((l) => l.includes('Data Link Layer Link Active not set in 1000 msec'))).toBe(true),
    ));

  it('no port D3 before 2015, with hotplug by firmware, or when switched off; forced on otherwise', async () => {
    await boot({ ...cold(), bios_year: 2014 }, async (_dev, up) => {
      expect(P.pci_bridge_d3_possible(up)).toBe(false);
      P.pci().pci_bridge_d3_force = true;
      expect(P.pci_bridge_d3_possible(up)).toBe(true);
      P.pci().pci_bridge_d3_force = false;
      up.is_thunderbolt = true;
      expect(P.pci_bridge_d3_possible(up)).toBe(true);
      P.pci().pci_bridge_d3_disable = true;
      expect(P.pci_bridge_d3_possible(up)).toBe(false);
    });
    await boot({ devices: [port({ hotplug: true }), endpoint()] }, async (dev, up) => {
      expect(P.pci_bridge_d3_possible(up)).toBe(false);
      expect(P.pci_bridge_d3_possible(dev)).toBe(false);
      P.pci().native_pcie_hotplug = true;
      expect(P.pci_bridge_d3_possible(up)).toBe(false);
      up.acpi = new P.acpi_device();
      expect(P.pci_bridge_d3_possible(up)).toBe(false);
      up.acpi.wakeup_valid = true;
      up.acpi.hotplug_in_d3 = true;
      expect(P.pci_bridge_d3_possible(up)).toBe(true);
      up.acpi.s0w = 2;
      expect(P.pci_bridge_d3_possible(up)).toBe(false);
      up.acpi.has_ps = true;
      expect(P.pci_bridge_d3_possible(up)).toBe(true);
      P.pci().kernel = 'v6.1.192';
      expect(P.pci_bridge_d3_possible(up)).toBe(false);
    });
    await boot(board({ pcie: false }), async (dev) => {
      expect(P.pci_bridge_d3_possible(dev)).toBe(false);
    });
  });
});

describe('power resources of the platform', () => {
  const shared = (off: P.power_effect): P.pci_machine_description => ({
    devices: [
      port(),
      endpoint({ bdf: '0000:01:00.1', base: 0xfe010000, pmcsr: 8, acpi: { wakeup_valid: true } }),
      endpoint({ header: 0x80, pmcsr: 8, acpi: { wakeup_valid: true } }),
    ],
    bios_year: 2014,
    power_resources: [
      { name: 'PR', pr0: ['0000:01:00.0', '0000:01:00.1'], pr3: ['0000:01:00.0', '0000:01:00.1'], off },
    ],
  });

  it('a shared resource goes off with the last user, and on again resumes all its dependents', () =>
    boot(
      shared('cut'),
      async (dev) => {
        const [res] = P.pci().power_resources;
        const other = P.pci_find_device_by_name('0000:01:00.1');
        if (other === null) throw new Error('gone');
        await P.pci_enable_device(dev);
        await P.pci_enable_device(other);
        await P.pci_set_power_state(dev, P.PCI_D3cold);
        expect([res.ref_count, res.on, dev.current_state]).toEqual([1, true, P.PCI_D3cold]);
        await P.pci_set_power_state(other, P.PCI_D3cold);
        expect([res.ref_count, res.on]).toEqual([0, false]);
        expect(dev.hw.hw_state()).toBe(P.PCI_HW_D3COLD);
        await P.pci_set_power_state(dev, P.PCI_D0);
        expect([res.on, dev.current_state]).toEqual([true, P.PCI_D0]);
        await sleep_ns(ms);
      },
      { tracing: true },
    ).then((m) => expect(m.events.some((e) => e.text === 'power resource PR: _OFF')).toBe(true)));

  it('a resource that only pretends keeps the registers', () =>
    boot(shared('none'), async (dev) => {
      await P.pci_enable_device(dev);
      await P.pci_set_power_state(dev, P.PCI_D3cold);
      expect(dev.current_state).toBe(P.PCI_D3cold);
      expect(dev.hw.get16(P.PCI_COMMAND)).toBe(3);
      expect(await P.acpi_device_set_power(dev.acpi as P.acpi_device, P.ACPI_STATE_D3_HOT)).toBe(-ENODEV);
      expect(await P.acpi_device_set_power(dev.acpi as P.acpi_device, 7)).toBe(-EINVAL);
      expect(await P.acpi_device_set_power(dev.acpi as P.acpi_device, 1)).toBe(-ENODEV);
    }).then(() => {}));

  it('_OFF that fails leaves the native state, _ON that fails leaves the device unreachable by the platform', () =>
    boot(shared('cut'), async (dev) => {
      const [res] = P.pci().power_resources;
      res.ref_count = 1;
      await P.pci_enable_device(dev);
      res.broken = true;
      await P.pci_set_power_state(dev, P.PCI_D3cold);
      expect(res.on).toBe(true);
      res.broken = false;
      res.ref_count = 0;
      const adev = dev.acpi as P.acpi_device;
      adev.state = P.ACPI_STATE_D3_COLD;
      res.broken = true;
      expect(await P.acpi_device_set_power(adev, P.ACPI_STATE_D0)).toBe(-ENODEV);
      expect(adev.state).toBe(P.ACPI_STATE_UNKNOWN);
      expect(P.acpi_pci_get_power_state(dev)).toBe(P.PCI_UNKNOWN);
      expect(await P.acpi_device_set_power(adev, P.ACPI_STATE_D0)).toBe(-ENODEV);
    }).then(() => {}));

  it('refreshing reads the switches', () =>
    boot(shared('none'), async (dev) => {
      const [res] = P.pci().power_resources;
      const adev = dev.acpi as P.acpi_device;
      res.on = false;
      await P.pci_refresh_power_state(dev);
      expect(dev.current_state).toBe(P.PCI_D3cold);
      res.on = true;
      await P.pci_refresh_power_state(dev);
      expect(dev.current_state).toBe(P.PCI_D0);
      adev.pr0 = [new P.acpi_power_resource('x', 'none')];
      adev.pr0[0].on = false;
      P.acpi_pci_refresh_power_state(dev);
      expect(adev.state).toBe(P.ACPI_STATE_D3_HOT);
    }).then(() => {}));

  it('a hotplug slot (_EJ0) and a device without companion are left alone; NO_POWER_OFF forbids D3cold', () =>
    boot(shared('none'), async (dev, up) => {
      const adev = dev.acpi as P.acpi_device;
      expect(await P.acpi_pci_set_power_state(up, P.PCI_D0)).toBe(-ENODEV);
      expect(P.acpi_pci_choose_state(up)).toBe(P.PCI_POWER_ERROR);
      dev.no_power_off = true;
      expect(await P.acpi_pci_set_power_state(dev, P.PCI_D3cold)).toBe(-EBUSY);
      expect(await P.acpi_pci_set_power_state(dev, P.PCI_UNKNOWN)).toBe(-EINVAL);
      adev.has_ej0 = true;
      expect(await P.acpi_pci_set_power_state(dev, P.PCI_D0)).toBe(-ENODEV);
    }).then(() => {}));

  it('the deepest state is D3hot when D3cold is not wanted, and what _S0W allows with wake-up', () =>
    boot(shared('none'), async (dev) => {
      const adev = dev.acpi as P.acpi_device;
      expect(P.acpi_pci_choose_state(dev)).toBe(P.PCI_D3cold);
      dev.no_d3cold = true;
      expect(P.acpi_pci_choose_state(dev)).toBe(P.PCI_D3hot);
      dev.no_d3cold = false;
      adev.s0w = 0;
      expect(P.acpi_pci_choose_state(dev)).toBe(P.PCI_D0);
      adev.s0w = 3;
      expect(P.acpi_pci_choose_state(dev)).toBe(P.PCI_D3hot);
      P.pci().kernel = 'v6.1.192';
      adev.s0w = null;
      dev.d3cold_allowed = false;
      expect(P.acpi_pci_choose_state(dev)).toBe(P.PCI_D3hot);
    }).then(() => {}));

  it('a child of a parent in a deeper state cannot move', () =>
    boot(shared('none'), async (dev) => {
      const adev = dev.acpi as P.acpi_device;
      adev.parent = new P.acpi_device();
      adev.parent.state = P.ACPI_STATE_D3_COLD;
      expect(await P.acpi_device_set_power(adev, P.ACPI_STATE_D3_HOT)).toBe(-ENODEV);
    }).then(() => {}));
});

describe('PME', () => {
  const wakeable = { pmc: 0xc803, pmcsr: 8 } as const;

  it('a device with PME support is armed on runtime suspend and woken by its message', () =>
    boot({ ...board(wakeable), bios_year: 2014 }, async (dev) => {
      let woken = 0;
      await sleepy({ runtime_resume: () => (woken++, 0) });
      await asleep(dev);
      woken = 0;
      expect(dev.wakeup_prepared).toBe(true);
      expect((await pmcsr(dev)) & P.PCI_PM_CTRL_PME_ENABLE).not.toBe(0);
      dev.hw.pme();
      await until(() => woken === 1);
      expect(dev.pme_poll).toBe(false);
      expect((await pmcsr(dev)) & P.PCI_PM_CTRL_PME_STATUS).toBe(0);
    }).then(() => {}));

  it('messages wait in the port until the one before is served', () =>
    boot({ ...board(wakeable), bios_year: 2014 }, async (dev, up) => {
      await sleepy();
      await asleep(dev);
      const status = (): number => up.hw.get32(up.pcie_cap + P.PCI_EXP_RTSTA);
      const id = (dev.bus.number << 8) | dev.devfn;
      expect(up.hw.get16(up.pcie_cap + P.PCI_EXP_RTCTL)).toBe(P.PCI_EXP_RTCTL_PMEIE);
      dev.hw.pme();
      up.hw.pme_message(0x100 | P.PCI_DEVFN(9, 0));
      expect(status()).toBe(P.PCI_EXP_RTSTA_PME | P.PCI_EXP_RTSTA_PENDING | id);
      await sleep_ns(ms);
      expect(status() & (P.PCI_EXP_RTSTA_PME | P.PCI_EXP_RTSTA_PENDING)).toBe(0);
      expect(dev.pme_poll).toBe(false);
      expect(up.hw.get16(up.pcie_cap + P.PCI_EXP_RTCTL)).toBe(P.PCI_EXP_RTCTL_PMEIE);
      // Without its driver the port does not interrupt.
      await P.pcie_pme_remove(up);
      dev.hw.pme();
      await sleep_ns(ms);
      expect(status()).toBe(P.PCI_EXP_RTSTA_PME | id);
    }).then(() => {}));

  it('a message that comes when the port has just lost its power is dropped, one before that is read as all ones', () =>
    boot({ ...board(wakeable), bios_year: 2014 }, async (dev, up) => {
      await sleepy();
      await asleep(dev);
      dev.hw.pme();
      up.hw.set_main_power('cut', false);
      await sleep_ns(ms);
      expect(machine.findings.map((f) => f.text)).toEqual([
        'config read of 0000:00:01.0 in D3cold by PCIe PME 0000:00:01.0',
      ]);
      machine.findings.length = 0;
      up.hw.pme_message(0x100);
      up.hw.set_main_power('cut', true);
      expect(up.hw.get32(up.pcie_cap + P.PCI_EXP_RTSTA)).toBe(0);
    }).then(() => {}));

  it('a lost message is found by the poll within a second', () =>
    boot({ ...board(wakeable), bios_year: 2014 }, async (dev) => {
      await sleepy();
      dev.hw.on_pme = () => {};
      await asleep(dev);
      expect(P.pci().pci_pme_list).toEqual([dev]);
      dev.hw.pme();
      await sleep_ns(1500 * ms);
      expect((await pmcsr(dev)) & P.PCI_PM_CTRL_PME_STATUS).toBe(0);
    }).then(() => {}));

  it('the poll skips devices in D3cold and below sleeping bridges and drops those that need no poll', () =>
    boot({ ...board(wakeable), bios_year: 2014 }, async (dev, up) => {
      await sleepy();
      dev.hw.on_pme = () => {};
      await asleep(dev);
      dev.hw.pme();
      up.current_state = P.PCI_D3hot;
      await sleep_ns(1500 * ms);
      expect((await pmcsr(dev)) & P.PCI_PM_CTRL_PME_STATUS).not.toBe(0);
      up.current_state = P.PCI_D0;
      dev.current_state = P.PCI_D3cold;
      await sleep_ns(1000 * ms);
      dev.pme_poll = false;
      await sleep_ns(1000 * ms);
      expect(P.pci().pci_pme_list).toEqual([]);
    }).then(() => {}));

  it('target state with wake-up is the deepest that can signal PME', () =>
    boot(board({ pmc: 0x0803 | 0x1000, pmcsr: 8 }), async (dev) => {
      expect(P.pci_pme_capable(dev, P.PCI_D0)).toBe(true);
      await P.pci_enable_device(dev);
      expect(await P.pci_finish_runtime_suspend(dev)).toBe(-EIO);
      dev.pme_support = 1;
      expect(await P.pci_finish_runtime_suspend(dev)).toBe(0);
      expect(dev.current_state).toBe(P.PCI_D0);
      expect(P.pci_dev_run_wake(dev)).toBe(true);
      dev.pm_cap = 0;
      expect(P.pci_pme_capable(dev, P.PCI_D0)).toBe(false);
      expect(P.pci_dev_run_wake(dev)).toBe(false);
      expect(await P.pci_check_pme_status(dev)).toBe(false);
    }).then(() => {}));

  it("wake-up by pci_enable_wake needs the user's permission", () =>
    boot(board(wakeable), async (dev) => {
      expect(await P.pci_enable_wake(dev, P.PCI_D3hot, true)).toBe(-EINVAL);
      device_set_wakeup_enable(dev.dev, true);
      expect(await P.pci_wake_from_d3(dev, true)).toBe(0);
      expect(dev.wakeup_prepared).toBe(true);
      expect(await P.pci_wake_from_d3(dev, true)).toBe(0);
      await P.pci_pme_restore(dev);
      expect((await pmcsr(dev)) & P.PCI_PM_CTRL_PME_ENABLE).not.toBe(0);
      expect(await P.pci_wake_from_d3(dev, false)).toBe(0);
      dev.hw.pme();
      await P.pci_pme_wakeup_bus(dev.bus);
      await P.pci_pme_wakeup_bus(null);
      expect(dev.pme_poll).toBe(false);
    }).then(() => {}));

  it('without PME from the state only the platform can wake: bridge or device with _PRW', () =>
    boot(board({ pmcsr: 8, acpi: { wakeup_valid: true } }), async (dev, up) => {
      device_set_wakeup_enable(dev.dev, true);
      dev.dev.power.can_wakeup = true;
      dev.dev.power.should_wakeup = true;
      await P.pci_enable_wake(dev, P.PCI_D3hot, true);
      expect((dev.acpi as P.acpi_device).wakeup_enabled).toBe(1);
      const own = dev.acpi as P.acpi_device;
      own.wakeup_valid = false;
      up.acpi = new P.acpi_device();
      up.acpi.wakeup_valid = true;
      expect(P.acpi_pci_wakeup(dev, true)).toBe(0);
      expect(up.acpi.wakeup_enabled).toBe(1);
      up.acpi.wakeup_valid = false;
      expect(P.acpi_pci_wakeup(dev, false)).toBe(0);
    }).then(() => {}));
});
