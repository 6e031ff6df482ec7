// SPDX-License-Identifier: GPL-2.0-only
import { ref } from '@vfio-lab/sim';
import { device_lock, device_unlock, EAGAIN, EINVAL, ENOTTY } from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import * as P from '../src/index.ts';
import { board, boot, endpoint, kinds, model_of, port } from './board.ts';

function methods(dev: P.pci_dev): string[] {
  return dev.reset_methods.map((m) => P.pci_reset_fn_methods[m].name);
}

const multi = (
  hotplug: 'none' | 'pciehp' = 'none',
  kernel: P.pci_kernel = 'v5.19',
): P.pci_machine_description => ({
  devices: [
    port({ hotplug: hotplug === 'pciehp' }),
    endpoint({ bdf: '0000:01:00.1', base: 0xfe010000, pmcsr: 8 }),
    endpoint({ header: 0x80, pmcsr: 8 }),
  ],
  hotplug,
  kernel,
});

describe('which methods a function has', () => {
  it('flr, pm without NoSoftRst, bus when alone', () =>
    boot(board({ flr: true }), async (dev, up) => {
      expect(methods(dev)).toEqual(['flr', 'pm', 'bus']);
      expect(methods(up)).toEqual([]);
      expect(P.pci_reset_supported(up)).toBe(false);
      expect(await P.pci_reset_function(up)).toBe(-ENOTTY);
      expect(await P.pci_try_reset_function(up)).toBe(-ENOTTY);
      expect(await P.pci_reset_function_locked(up)).toBe(-ENOTTY);
    }).then(() => {}));

  it('af_flr, acpi, and flags that forbid', async () => {
    await boot(board({ af: true, pmcsr: 8, pcie: false, acpi: { has_rst: true } }), async (dev) => {
      await P.pci_init_reset_methods(dev);
      expect(methods(dev)).toEqual(['acpi', 'af_flr', 'bus']);
      dev.dev_flags |= P.PCI_DEV_FLAGS_NO_FLR_RESET | P.PCI_DEV_FLAGS_NO_BUS_RESET;
      await P.pci_init_reset_methods(dev);
      expect(methods(dev)).toEqual(['acpi']);
      expect(await P.__pci_reset_function_locked(dev)).toBe(0);
    });
    await boot(board({ flr: true }), async (dev) => {
      dev.dev_flags |= P.PCI_DEV_FLAGS_NO_FLR_RESET | P.PCI_DEV_FLAGS_NO_PM_RESET;
      await P.pci_init_reset_methods(dev);
      expect(methods(dev)).toEqual(['bus']);
    });
  });

  it('the second function of a device cannot use the bus, the first found it free at its scan', () =>
    boot(multi(), async (dev) => {
      expect(methods(dev)).toEqual(['bus']);
      expect(methods(P.pci_find_device_by_name('0000:01:00.1') as P.pci_dev)).toEqual([]);
      expect(await P.__pci_reset_function_locked(dev)).toBe(-ENOTTY);
    }).then(() => {}));
});

describe('function resets', () => {
  it('FLR: state is saved before and restored after, 100 ms pass', () =>
    boot(board({ flr: true }), async (dev) => {
      await P.pci_enable_device(dev);
      await P.pci_set_master(dev);
      expect(await P.pci_try_reset_function(dev)).toBe(0);
      expect(model_of(dev).resets).toEqual(['flr']);
      expect(dev.hw.get16(P.PCI_COMMAND)).toBe(7);
      expect(dev.block_cfg_access).toBe(false);
    }).then((m) => expect(m.clock.now).toBeGreaterThan(100_000_000)));

  it('with Immediate Readiness nobody waits', () =>
    boot(board({ flr: true, af: true }), async (dev) => {
      dev.imm_ready = true;
      const before = P.pci().fabric;
      expect(await P.pcie_flr(dev)).toBe(0);
      dev.reset_methods.splice(0, 9, 4);
      expect(await P.__pci_reset_function_locked(dev)).toBe(0);
      expect(before).toBe(P.pci().fabric);
    }).then((m) => expect(m.clock.now).toBeLessThan(100_000_000)));

  it('FLR and AF FLR go ahead although transactions stay pending', () =>
    boot(board({ flr: true, af: true }), async (dev) => {
      dev.hw.config[0x6a] = P.PCI_EXP_DEVSTA_TRPND;
      dev.hw.power_on[0x6a] = P.PCI_EXP_DEVSTA_TRPND;
      expect(await P.pcie_flr(dev)).toBe(0);
      dev.hw.config[0xc5] = P.PCI_AF_STATUS_TP;
      dev.reset_methods.splice(0, 9, 4);
      expect(await P.pci_reset_function_locked(dev)).toBe(0);
    }).then((m) =>
      expect(m.log.filter((l) => l.includes('timed out waiting for pending transaction')).length).toBe(2),
    ));

  it('the PM reset toggles D3hot, needs D0 and never changes current_state', () =>
    boot(board(), async (dev) => {
      expect(methods(dev)).toEqual(['pm', 'bus']);
      expect(await P.__pci_reset_function_locked(dev)).toBe(-EINVAL);
      await P.pci_enable_device(dev);
      expect(await P.pci_reset_function(dev)).toBe(0);
      expect(model_of(dev).resets).toEqual(['d3hot']);
      expect(dev.current_state).toBe(P.PCI_D0);
    }).then(() => {}));

  it('a device that does not come back gives -ENOTTY after a minute', () =>
    boot(board({ flr: true }), async (dev) => {
      const go = P.pcie_flr(dev);
      dev.hw.present = false;
      expect(await go).toBe(-ENOTTY);
    }).then((m) => {
      expect(m.clock.now).toBeGreaterThan(60e9);
      expect(m.log.some((l) => l.includes('giving up'))).toBe(true);
    }));

  it('the bus method resets everything below the port', () =>
    boot(board({ pmcsr: 8 }), async (dev) => {
      expect(await P.pci_try_reset_function(dev)).toBe(0);
      expect(model_of(dev).resets).toEqual(['bus']);
    }).then((m) => expect(m.clock.now).toBeGreaterThan(1_000_000_000)));

  it('try gives -EAGAIN when the device or its config space is locked', () =>
    boot(board({ pmcsr: 8 }), async (dev) => {
      await device_lock(dev.dev);
      expect(await P.pci_try_reset_function(dev)).toBe(-EAGAIN);
      await device_unlock(dev.dev);
      await P.pci_cfg_access_lock(dev);
      expect(await P.pci_dev_trylock(dev)).toBe(0);
      await P.pci_cfg_access_unlock(dev);
      expect(await P.pci_dev_trylock(dev)).toBe(1);
      await P.pci_dev_unlock(dev);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('save wakes the device to D0 first, and COMMAND is DisINTx alone meanwhile; the driver is told', () =>
    boot(board({ flr: true, pmcsr: 8 }), async (dev) => {
      const seen: string[] = [];
      const drv = P.pci_host_driver('nvme', [
        {
          vendor: 0x1234,
          device: P.PCI_ANY_ID,
          subvendor: P.PCI_ANY_ID,
          subdevice: P.PCI_ANY_ID,
          class: 0,
          class_mask: 0,
        },
      ]);
      drv.err_handler = {
        reset_prepare: (d) => void seen.push(`prepare ${P.pci_power_name(d.current_state)}`),
        reset_done: (d) => void seen.push(`done ${P.pci_power_name(d.current_state)}`),
      };
      await P.pci_register_driver(drv);
      await P.pci_set_power_state(dev, P.PCI_D3hot);
      expect(await P.pci_reset_function(dev)).toBe(0);
      expect(seen).toEqual(['prepare D3hot', 'done D0']);
    }).then(() => {}));
});

describe('bus and slot resets', () => {
  it('resets all functions, each saved and restored', () =>
    boot(multi(), async (dev, up) => {
      await P.pci_enable_device(dev);
      expect(P.pci_probe_reset_slot(dev.slot)).toBe(-ENOTTY);
      expect(P.pci_probe_reset_bus(dev.bus)).toBe(0);
      expect(P.pci_probe_reset_bus(up.bus)).toBe(-ENOTTY);
      expect(await P.pci_reset_bus(dev)).toBe(0);
      for (const d of dev.bus.devices) expect(model_of(d).resets).toEqual(['bus']);
      expect(dev.hw.get16(P.PCI_COMMAND)).toBe(3);
      expect(await P.pci_reset_bus(up)).toBe(-ENOTTY);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('-EAGAIN when one device is locked, and what was locked is free again', () =>
    boot(multi(), async (dev) => {
      const other = P.pci_find_device_by_name('0000:01:00.1') as P.pci_dev;
      await device_lock(other.dev);
      expect(await P.pci_reset_bus(dev)).toBe(-EAGAIN);
      expect(await P.pci_dev_trylock(dev)).toBe(1);
      await P.pci_dev_unlock(dev);
      await device_unlock(other.dev);
    }).then(() => {}));

  it('6.1 locks the bridge, too', () =>
    boot(multi('none', 'v6.1.192'), async (dev, up) => {
      await device_lock(up.dev);
      expect(await P.pci_reset_bus(dev)).toBe(-EAGAIN);
      await device_unlock(up.dev);
      const other = P.pci_find_device_by_name('0000:01:00.1') as P.pci_dev;
      await device_lock(other.dev);
      expect(await P.pci_reset_bus(dev)).toBe(-EAGAIN);
      await device_unlock(other.dev);
      expect(await P.pci_dev_trylock(up)).toBe(1);
      await P.pci_dev_unlock(up);
      expect(await P.pci_reset_bus(dev)).toBe(0);
      expect(await P.pci_bus_error_reset(up)).toBe(0);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('a flag on any device forbids it', () =>
    boot(multi(), async (dev, up) => {
      dev.dev_flags |= P.PCI_DEV_FLAGS_NO_BUS_RESET;
      expect(P.pci_probe_reset_bus(dev.bus)).toBe(-ENOTTY);
      dev.dev_flags = 0;
      up.dev_flags |= P.PCI_DEV_FLAGS_NO_BUS_RESET;
      expect(P.pci_probe_reset_bus(dev.bus)).toBe(-ENOTTY);
      expect(await P.pci_bus_error_reset(up)).toBe(-ENOTTY);
      expect(await P.pci_bus_error_reset(dev)).toBe(-ENOTTY);
    }).then(() => {}));

  it('native hotplug resets the slot, with link events off', () =>
    boot(multi('pciehp'), async (dev, up) => {
      expect(dev.slot).not.toBeNull();
      expect(P.pci_probe_reset_slot(dev.slot)).toBe(0);
      expect(await P.pci_reset_bus(dev)).toBe(0);
      expect(model_of(dev).resets).toEqual(['bus']);
      await device_lock(dev.dev);
      expect(await P.pci_reset_bus(dev)).toBe(-EAGAIN);
      await device_unlock(dev.dev);
      dev.dev_flags |= P.PCI_DEV_FLAGS_NO_BUS_RESET;
      expect(P.pci_probe_reset_slot(dev.slot)).toBe(-ENOTTY);
      dev.dev_flags = 0;
      up.dev_flags |= P.PCI_DEV_FLAGS_NO_BUS_RESET;
      expect(P.pci_probe_reset_slot(dev.slot)).toBe(-ENOTTY);
      expect(P.pciehp_init_slot(dev)).toBeNull();
    }).then(() => {}));

  it('a slot of one function serves its "bus" method', () =>
    boot({ devices: [port({ hotplug: true }), endpoint({ pmcsr: 8 })], hotplug: 'pciehp' }, async (dev) => {
      expect(await P.__pci_reset_function_locked(dev)).toBe(0);
      await P.pci_init_reset_methods(dev);
      expect(methods(dev)).toEqual(['bus']);
      if (dev.slot !== null) dev.slot.hotplug = { ops: {} };
      expect(P.pci_probe_reset_slot(dev.slot)).toBe(-ENOTTY);
      expect(await P.__pci_reset_function_locked(dev)).toBe(0);
    }).then(() => {}));

  it('goes down a tree: bridges below with what is below them', () => {
    const tree = (kernel: P.pci_kernel): P.pci_machine_description => ({
      devices: [
        port({ last: 2 }),
        port({ bdf: '0000:01:00.0', parent: '0000:00:01.0', bus: 2, conventional: true }),
        endpoint({ bdf: '0000:02:03.0', parent: '0000:01:00.0', pmcsr: 8 }),
      ],
      kernel,
    });
    const run = (kernel: P.pci_kernel): Promise<unknown> =>
      boot(tree(kernel), async (dev) => {
        const bridge = P.pci_find_device_by_name('0000:01:00.0') as P.pci_dev;
        await P.pci_enable_device(dev);
        expect(await P.pci_reset_bus(bridge)).toBe(0);
        expect(model_of(dev).resets).toEqual(['bus']);
        expect(dev.hw.get16(P.PCI_COMMAND)).toBe(3);
        await device_lock(dev.dev);
        expect(await P.pci_reset_bus(bridge)).toBe(-EAGAIN);
        await device_unlock(dev.dev);
        dev.dev_flags |= P.PCI_DEV_FLAGS_NO_BUS_RESET;
        expect(P.pci_probe_reset_bus(bridge.bus)).toBe(-ENOTTY);
      });
    return run('v5.19').then(() => run('v6.1.192'));
  });
});

describe('waiting for a secondary bus', () => {
  const wait = async (
    p: Parameters<typeof port>[0],
    kernel: P.pci_kernel,
    fn: (up: P.pci_dev, dev: P.pci_dev) => Promise<void>,
  ): Promise<number> => {
    let spent = 0;
    await boot({ devices: [port(p), endpoint()], kernel }, async (dev, up) => {
      const start = (await import('@vfio-lab/sim')).now();
      await fn(up, dev);
      spent = (await import('@vfio-lab/sim')).now() - start;
    });
    return Math.round(spent / 1e6);
  };

  it('100 ms up to 5 GT/s; faster links are polled first', async () => {
    const go = async (up: P.pci_dev): Promise<void> =>
      expect(await P.pci_bridge_wait_for_secondary_bus(up, 'test')).toBe(0);
    expect(await wait({}, 'v5.19', go)).toBe(100);
    expect(await wait({ speeds: 0xe }, 'v6.1.192', go)).toBe(120);
    expect(await wait({ speeds: 0 }, 'v6.1.192', go)).toBe(100);
    expect(
      await wait({ speeds: 0xe }, 'v6.1.192', async (up) => {
        up.link_active_reporting = false;
        await go(up);
      }),
    ).toBe(1100);
  });

  it('a link that stays down: -ENOTTY in 6.1, 0 in v5.19', async () => {
    await wait({ speeds: 0xe, link_up: false }, 'v6.1.192', async (up) =>
      expect(await P.pci_bridge_wait_for_secondary_bus(up, 'test')).toBe(-ENOTTY),
    );
    await wait({ speeds: 0xe, link_up: false }, 'v5.19', async (up) =>
      expect(await P.pci_bridge_wait_for_secondary_bus(up, 'test')).toBe(0),
    );
  });

  it('an endpoint, a disconnected or an empty bridge needs no wait; v5.19 gives an absent child another 100 ms', async () => {
    expect(
      await wait({}, 'v5.19', async (up, dev) => {
        await P.pci_bridge_wait_for_secondary_bus(dev, 'test');
        up.is_disconnected = true;
        await P.pci_bridge_wait_for_secondary_bus(up, 'test');
        up.is_disconnected = false;
        const kept = up.subordinate?.devices.splice(0) ?? [];
        await P.pci_bridge_wait_for_secondary_bus(up, 'test');
        up.subordinate?.devices.push(...kept);
        kept[0].d3cold_delay = 0;
        await P.pci_bridge_wait_for_secondary_bus(up, 'test');
      }),
    ).toBe(0);
    expect(
      await wait({}, 'v5.19', async (up, dev) => {
        dev.hw.present = false;
        await P.pci_bridge_wait_for_secondary_bus(up, 'test');
      }),
    ).toBe(200);
  });

  it('a conventional bridge waits a second more', () =>
    boot(
      {
        devices: [
          port({ last: 2 }),
          port({ bdf: '0000:01:00.0', parent: '0000:00:01.0', bus: 2, conventional: true }),
          endpoint({ bdf: '0000:02:03.0', parent: '0000:01:00.0' }),
        ],
        kernel: 'v6.1.192',
      },
      async () => {
        const bridge = P.pci_find_device_by_name('0000:01:00.0') as P.pci_dev;
        expect(await P.pci_bridge_wait_for_secondary_bus(bridge, 'test')).toBe(0);
        bridge.pcie_cap = 0;
        expect(await P.pci_bridge_wait_for_secondary_bus(bridge, 'test')).toBe(0);
        const v = ref(0);
        await P.pci_read_config_byte(bridge, 0, v);
      },
    ).then((m) => expect(m.clock.now).toBeGreaterThan(1_100_000_000)));
});
