// SPDX-License-Identifier: GPL-2.0-only
import { ref } from '@vfio-lab/sim';
import { EBUSY, EINVAL, ENOMEM } from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import * as P from '../src/index.ts';
import { board, boot, config, endpoint, kinds, port } from './board.ts';

async function command(dev: P.pci_dev): Promise<number> {
  const v = ref(0);
  await P.pci_read_config_word(dev, P.PCI_COMMAND, v);
  return v.v;
}

describe('scan', () => {
  it('reads ids, class, capabilities and leaves the device unknown, active and forbidden', () =>
    boot(board({ msi: 0x80, msix: 4, sriov: true }), async (dev, up) => {
      expect([dev.vendor, dev.device, dev.class, dev.revision]).toEqual([0x1234, 0x5678, 0xff0000, 1]);
      expect([dev.pm_cap, dev.msi_cap, dev.msix_cap, dev.pcie_cap]).toEqual([0x40, 0x50, 0xa0, 0x60]);
      expect(P.pci_name(dev)).toBe('0000:01:00.0');
      expect(dev.current_state).toBe(P.PCI_UNKNOWN);
      expect(dev.d3cold_allowed).toBe(true);
      expect(dev.dev.power.usage_count.counter).toBe(1);
      expect(dev.dev.power.runtime_status).toBe(0);
      expect(dev.dev.parent).toBe(up.dev);
      expect(up.subordinate?.devices).toEqual([dev]);
      expect(P.pci_upstream_bridge(dev)).toBe(up);
      expect(P.pcie_find_root_port(dev)).toBe(up);
      expect(P.pcie_find_root_port(up)).toBe(up);
      expect(P.pci_upstream_bridge(up)).toBeNull();
      expect(P.pci_is_root_bus(up.bus)).toBe(true);
      expect(P.pci_domain_nr(dev.bus)).toBe(0);
      expect(P.pci_physfn(dev)).toBe(dev);
      expect(P.pci_bus_max_busnr(up.bus)).toBe(0xff);
      expect(P.to_pci_dev(dev.dev)).toBe(dev);
      expect(dev.irq).toBe(11);
      expect(up.ari_enabled).toBe(true);
      expect(P.pci_find_bus(0, 1)).toBe(dev.bus);
      expect(P.pci_find_bus(0, 9)).toBeNull();
      expect(P.pci_find_bus(1, 1)).toBeNull();
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('a device that cannot toggle DisINTx is marked', () => {
    const e = endpoint();
    const wmask = config(4096, [[P.PCI_COMMAND, 2, 0x0007]]);
    return boot({ devices: [port(), { ...e, wmask }] }, async (dev) => {
      expect(dev.broken_intx_masking).toBe(true);
      expect(P.pci_intx_mask_supported(dev)).toBe(false);
    }).then(() => {});
  });

  it('refuses a PM capability of an unknown version', () =>
    boot(board({ pmc: 4 }), async (dev) => {
      expect(dev.pm_cap).toBe(0);
      expect(dev.d3cold_allowed).toBe(false);
    }).then(() => {}));

  it('a USB host controller is taken from the firmware, so its state is known', () =>
    boot(board({ class: 0x0c0330 }), async (dev) => {
      expect(dev.current_state).toBe(P.PCI_D0);
      expect(dev.enable_cnt.counter).toBe(0);
    }).then(() => {}));

  it('ignores an unknown header type', async () => {
    await expect(boot(board({ header: 2 }), async () => {})).rejects.toThrow('was not found');
  });

  it('a function that does not answer is no device', async () => {
    await expect(boot(board({ ids: 0xffffffff }), async () => {})).rejects.toThrow('was not found');
  });
});

describe('capability search', () => {
  it('walks the list, and finds nothing without one', () =>
    boot(board({ msi: 0x80, sriov: true }), async (dev, up) => {
      expect(await P.pci_find_capability(dev, P.PCI_CAP_ID_EXP)).toBe(0x60);
      expect(await P.pci_find_capability(dev, P.PCI_CAP_ID_AF)).toBe(0);
      expect(await P.pci_find_next_capability(dev, 0x40, P.PCI_CAP_ID_MSI)).toBe(0x50);
      expect(await P.pci_find_ext_capability(dev, P.PCI_EXT_CAP_ID_SRIOV)).toBe(0x120);
      expect(await P.pci_find_ext_capability(up, P.PCI_EXT_CAP_ID_SRIOV)).toBe(0);
    }).then(() => {}));

  it('a 256-byte device has no extended capabilities', () =>
    boot(board({ pcie: false, no_pm: true }), async (dev) => {
      expect(dev.cfg_size).toBe(256);
      expect(await P.pci_find_ext_capability(dev, 3)).toBe(0);
      expect(await P.pci_find_capability(dev, 1)).toBe(0);
    }).then(() => {}));
});

describe('saved state', () => {
  it('restore puts back what changed and uses the image up', () =>
    boot(board(), async (dev) => {
      expect(await P.pci_save_state(dev)).toBe(0);
      await P.pci_write_config_dword(dev, P.PCI_BASE_ADDRESS_0, 0);
      await P.pci_write_config_word(dev, 0x68, 0x1000);
      await P.pci_restore_state(dev);
      const v = ref(0);
      await P.pci_read_config_dword(dev, P.PCI_BASE_ADDRESS_0, v);
      expect(v.v).toBe(0xfe000000);
      await P.pci_read_config_word(dev, 0x68, v);
      expect(v.v).toBe(0x2810);
      expect(dev.state_saved).toBe(false);
      await P.pci_write_config_dword(dev, P.PCI_BASE_ADDRESS_0, 0);
      await P.pci_restore_state(dev);
      await P.pci_read_config_dword(dev, P.PCI_BASE_ADDRESS_0, v);
      expect(v.v).toBe(0);
    }).then(() => {}));

  it('saves all ones of a device that is off and says saved', () =>
    boot(board(), async (dev, up) => {
      up.hw.set_main_power('slot', false);
      await P.pci_save_state(dev);
      expect(dev.state_saved).toBe(true);
      expect(dev.saved_config_space[0]).toBe(0xffffffff);
    }).then(() => {}));

  it('a stored image survives and can be loaded again', () =>
    boot(board(), async (dev) => {
      expect(P.pci_store_saved_state(dev)).toBeNull();
      await P.pci_save_state(dev);
      const image = ref(P.pci_store_saved_state(dev));
      await P.pci_write_config_word(dev, P.PCI_COMMAND, 0);
      await P.pci_restore_state(dev);
      expect(P.pci_load_saved_state(dev, null)).toBe(0);
      expect(dev.state_saved).toBe(false);
      await P.pci_write_config_word(dev, P.PCI_COMMAND, 0);
      expect(P.pci_load_and_free_saved_state(dev, image)).toBe(0);
      expect(image.v).toBeNull();
      await P.pci_restore_state(dev);
      expect(await command(dev)).toBe(3);
    }).then(() => {}));

  it('an image of another shape is refused', () =>
    boot(board(), async (dev) => {
      await P.pci_save_state(dev);
      const image = new P.pci_saved_state();
      image.cap = [{ cap_nr: 0x77, cap_extended: false, data: new Uint32Array(1) }];
      expect(P.pci_load_saved_state(dev, image)).toBe(-EINVAL);
    }).then(() => {}));

  it('needs its buffers', () =>
    boot(board(), async (dev) => {
      dev.saved_cap_space.length = 0;
      expect(await P.pci_save_state(dev)).toBe(-ENOMEM);
    }).then(() => {}));

  it('retries a BAR that does not take the value, 1 ms apart', () =>
    boot(board(), async (dev) => {
      await P.pci_save_state(dev);
      dev.saved_config_space[4] = 0xfe000008;
      await P.pci_restore_state(dev);
    }).then((m) => expect(m.clock.now).toBeGreaterThanOrEqual(10_000_000)));

  it('a bridge gets its header back, PCI-X, LTR and AER registers, too', async () => {
    const e = endpoint();
    e.config.set(config(8, [[0, 4, 0x1500_0001]]), 0x100);
    e.config.set(config(4, [[0, 4, 0x0000_0018]]), 0x150);
    e.config[0x61] = 0xd0;
    e.config[0xd0] = P.PCI_CAP_ID_PCIX;
    const wmask = new Uint8Array(4096).fill(0xff, 0x40);
    wmask.fill(0xff, 4, 6);
    await boot({ devices: [port(), { ...e, wmask }] }, async (dev, up) => {
      await P.pci_write_config_dword(dev, 0x100 + P.PCI_ERR_UNCOR_MASK, 0x11);
      await P.pci_write_config_dword(dev, 0x150 + P.PCI_LTR_MAX_SNOOP_LAT, 0x22);
      await P.pci_write_config_word(dev, 0xd2, 0x33);
      await P.pci_save_state(dev);
      for (const reg of [0x108, 0x154]) await P.pci_write_config_dword(dev, reg, 0);
      await P.pci_write_config_word(dev, 0xd2, 0);
      await P.pci_restore_state(dev);
      const v = ref(0);
      await P.pci_read_config_dword(dev, 0x108, v);
      expect(v.v).toBe(0x11);
      await P.pci_read_config_dword(dev, 0x154, v);
      expect(v.v).toBe(0x22);
      await P.pci_read_config_word(dev, 0xd2, v);
      expect(v.v).toBe(0x33);
      await P.pci_save_state(up);
      await P.pci_write_config_dword(up, P.PCI_MEMORY_BASE, 0);
      await P.pci_restore_state(up);
      await P.pci_read_config_dword(up, P.PCI_MEMORY_BASE, v);
      expect(v.v).toBe(0xfef0fe00);
    });
  });
});

describe('enabling', () => {
  it('the first enable makes the state known, turns the decoders on and clears DisINTx', () =>
    boot(board(), async (dev) => {
      await P.pci_write_config_word(dev, P.PCI_COMMAND, 0x0400);
      expect(await P.pci_enable_device(dev)).toBe(0);
      expect(dev.current_state).toBe(P.PCI_D0);
      expect(await command(dev)).toBe(3);
      expect(await P.pci_enable_device(dev)).toBe(0);
      expect(dev.enable_cnt.counter).toBe(2);
      expect(P.pci_is_enabled(dev)).toBe(true);
      await P.pci_write_config_word(dev, P.PCI_COMMAND, 0);
      expect(await P.pci_reenable_device(dev)).toBe(0);
      expect(await command(dev)).toBe(3);
    }).then(() => {}));

  it('enables the bridges above and lets them master', () =>
    boot({ ...board(), no_portdrv: true }, async (dev, up) => {
      up.hw.config[P.PCI_COMMAND] = 0;
      await P.pci_enable_device_mem(dev);
      expect(up.enable_cnt.counter).toBe(1);
      expect(up.is_busmaster).toBe(true);
      up.is_busmaster = false;
      await P.pci_enable_bridge(up);
      expect(up.is_busmaster).toBe(true);
    }).then(() => {}));

  it('the last disable stops bus mastering and leaves decoding and power alone', () =>
    boot(board(), async (dev) => {
      await P.pci_enable_device(dev);
      await P.pci_set_master(dev);
      expect(await command(dev)).toBe(7);
      await P.pci_disable_device(dev);
      expect(await command(dev)).toBe(3);
      expect(dev.current_state).toBe(P.PCI_D0);
    }).then((m) => expect(kinds(m)).toEqual([])));

  it('disabling once too often warns', () =>
    boot(board(), async (dev) => {
      await P.pci_disable_device(dev);
    }).then((m) => expect(kinds(m).length).toBe(1)));

  it('re-enabling a device that is not enabled does nothing', () =>
    boot(board(), async (dev) => {
      expect(await P.pci_reenable_device(dev)).toBe(0);
      expect(dev.current_state).toBe(P.PCI_UNKNOWN);
    }).then(() => {}));

  it('a conventional device gets a latency timer with bus mastering', () =>
    boot(board({ pcie: false }), async (dev) => {
      dev.hw.wmask[P.PCI_LATENCY_TIMER] = 0xff;
      await P.pci_set_master(dev);
      const v = ref(0);
      await P.pci_read_config_byte(dev, P.PCI_LATENCY_TIMER, v);
      expect(v.v).toBe(64);
      await P.pci_set_master(dev);
      await P.pci_clear_master(dev);
      expect(dev.is_busmaster).toBe(false);
    }).then(() => {}));
});

describe('INTx helpers', () => {
  it('pci_intx writes only on a change', () =>
    boot(board(), async (dev) => {
      await P.pci_intx(dev, 0);
      expect(await command(dev)).toBe(0x0403);
      await P.pci_intx(dev, 0);
      await P.pci_intx(dev, 1);
      expect(await command(dev)).toBe(0x0003);
    }).then(() => {}));

  it('check and mask takes only what this device raised', () =>
    boot(board(), async (dev) => {
      expect(await P.pci_check_and_mask_intx(dev)).toBe(false);
      dev.hw.raise_intx();
      expect(await P.pci_check_and_mask_intx(dev)).toBe(true);
      expect(dev.hw.pin).toBe(false);
      expect(await P.pci_check_and_unmask_intx(dev)).toBe(false);
      dev.hw.lower_intx();
      expect(await P.pci_check_and_unmask_intx(dev)).toBe(true);
      expect(await command(dev)).toBe(3);
    }).then(() => {}));

  it('a device that is off looks pending: claimed, and nothing is written', () =>
    boot(board(), async (dev, up) => {
      up.hw.set_main_power('slot', false);
      expect(await P.pci_check_and_mask_intx(dev)).toBe(true);
      expect(await P.pci_check_and_unmask_intx(dev)).toBe(false);
    }).then((m) => expect(kinds(m)).toEqual(['d3cold-access'])));
});

describe('regions', () => {
  it('are claimed all or none', () =>
    boot(board(), async (dev) => {
      expect(P.pci_request_selected_regions(dev, 4, 'one')).toBe(0);
      expect(P.pci_request_selected_regions(dev, 7, 'two')).toBe(-EBUSY);
      P.pci_release_selected_regions(dev, 4);
      expect(P.pci_request_selected_regions(dev, 0x3f, 'two')).toBe(0);
      expect(P.pci_request_region(dev, 0, 'three')).toBe(-EBUSY);
      P.pci_release_selected_regions(dev, 0x3f);
      P.pci_release_region(dev, 4);
      expect(P.pci_request_region(dev, 0, 'three')).toBe(0);
      expect(P.pci_resource_start(dev, 0)).toBe(0xfe000000);
      expect(P.pci_resource_end(dev, 0)).toBe(0xfe000fff);
      expect(P.pci_resource_len(dev, 5)).toBe(0);
      expect(P.pci_select_bars(dev, P.IORESOURCE_IO)).toBe(4);
      dev.resource[3].end = 1;
      expect(P.pci_request_region(dev, 3, 'nothing')).toBe(0);
    }).then(() => {}));
});

describe('other registers', () => {
  it('read request and payload sizes', () =>
    boot(board(), async (dev) => {
      expect(await P.pcie_get_readrq(dev)).toBe(512);
      expect(await P.pcie_set_readrq(dev, 1024)).toBe(0);
      expect(await P.pcie_get_readrq(dev)).toBe(1024);
      expect(await P.pcie_set_readrq(dev, 100)).toBe(-EINVAL);
      expect(await P.pcie_set_readrq(dev, 8192)).toBe(-EINVAL);
      expect(await P.pcie_get_mps(dev)).toBe(128);
    }).then(() => {}));

  it('waiting for pending transactions gives up after 700 ms', () =>
    boot(board(), async (dev) => {
      expect(await P.pci_wait_for_pending_transaction(dev)).toBe(true);
      dev.hw.config[0x6a] = P.PCI_EXP_DEVSTA_TRPND;
      expect(await P.pci_wait_for_pending_transaction(dev)).toBe(false);
      expect(await P.pci_device_is_present(dev)).toBe(true);
    }).then(() => {}));

  it('a conventional device has none pending', () =>
    boot(board({ pcie: false }), async (dev) => {
      expect(await P.pci_wait_for_pending_transaction(dev)).toBe(true);
    }).then(() => {}));
});

describe('walking', () => {
  it('visits parents first and stops at the first non-zero', () =>
    boot(
      {
        devices: [
          port({ last: 2 }),
          port({ bdf: '0000:01:00.0', parent: '0000:00:01.0', bus: 2, conventional: true }),
          endpoint({ bdf: '0000:02:03.0', parent: '0000:01:00.0' }),
        ],
      },
      async (dev, up) => {
        const seen: string[] = [];
        await P.pci_walk_bus(up.bus, (d) => {
          seen.push(P.pci_name(d));
          return 0;
        });
        expect(seen).toEqual(['0000:00:01.0', '0000:01:00.0', '0000:02:03.0']);
        seen.length = 0;
        await P.pci_walk_bus(up.bus, (d) => {
          seen.push(P.pci_name(d));
          return seen.length === 2 ? 1 : 0;
        });
        expect(seen.length).toBe(2);
        expect(await P.pci_get_class(dev.class, null)).toBe(dev);
        expect(await P.pci_get_class(dev.class, dev)).toBeNull();
        expect(await P.pci_get_device(0x1234, P.PCI_ANY_ID, null)).toBe(dev);
        expect(await P.pci_get_domain_bus_and_slot(0, 2, dev.devfn)).toBe(dev);
        expect(await P.pci_dev_get(null)).toBeNull();
        await P.pci_dev_put(null);
        expect(P.pci_bus_max_busnr(dev.bus)).toBe(2);
      },
    ).then(() => {}));
});
