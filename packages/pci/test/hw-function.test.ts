// SPDX-License-Identifier: GPL-2.0-only
import { Machine } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import * as P from '../src/index.ts';
import { endpoint, type EndpointOptions, port, type scratch_model } from './board.ts';

/** One function without a kernel above it. */
async function alone(
  o: EndpointOptions,
  fn: (hw: P.pci_function_hw, up: P.pci_function_hw, model: scratch_model) => void,
): Promise<void> {
  await new Machine({ tracing: true }).run(() => {
    const fabric = new P.pci_fabric();
    const p = port();
    const up = new P.pci_function_hw({ name: p.bdf, config: p.config, bar_sizes: [] });
    const e = endpoint(o);
    const hw = new P.pci_function_hw({
      name: e.bdf,
      config: e.config,
      bar_sizes: [0x1000, 0x1000, 0x20, 0, 0, 0, o.rom === true ? 0x800 : 0],
      model: e.model,
      ...(o.quirks === undefined ? {} : { quirks: o.quirks }),
    });
    fabric.add(up, null);
    fabric.add(hw, up);
    fn(hw, up, e.model);
  });
}

describe('configuration space of a function', () => {
  it('changes only the bits of the write mask', () =>
    alone({}, (hw) => {
      hw.config_write(P.PCI_VENDOR_ID, 4, 0);
      expect(hw.config_read(P.PCI_VENDOR_ID, 4)).toBe(0x56781234);
      hw.config_write(P.PCI_COMMAND, 2, 0xffff);
      expect(hw.config_read(P.PCI_COMMAND, 2)).toBe(0x0547);
      hw.config_write(P.PCI_BASE_ADDRESS_0, 4, 0xffffffff);
      expect(hw.config_read(P.PCI_BASE_ADDRESS_0, 4)).toBe(0xfffff000);
      hw.config_write(P.PCI_BASE_ADDRESS_2, 4, 0xffffffff);
      expect(hw.config_read(P.PCI_BASE_ADDRESS_2, 4)).toBe(0xffffffe1);
    }));

  it('clears write-1-to-clear bits that are written as 1 and keeps the others', () =>
    alone({}, (hw) => {
      hw.config[P.PCI_STATUS + 1] = 0xa0;
      hw.config_write(P.PCI_STATUS, 2, 0x8000);
      expect(hw.config_read(P.PCI_STATUS, 2)).toBe(0x2010);
    }));

  it('reads all ones and loses writes when there is no power or the bus above is in reset', () =>
    alone({}, (hw, up) => {
      hw.set_main_power('cut', false);
      expect(hw.config_read(0, 4)).toBe(0xffffffff);
      expect(hw.config_read(0, 2)).toBe(0xffff);
      hw.config_write(P.PCI_CACHE_LINE_SIZE, 1, 0x55);
      hw.set_main_power('cut', true);
      expect(hw.config_read(P.PCI_CACHE_LINE_SIZE, 1)).toBe(0);
      up.config_write(P.PCI_BRIDGE_CONTROL, 2, P.PCI_BRIDGE_CTL_BUS_RESET);
      expect(hw.config_read(0, 4)).toBe(0xffffffff);
      up.config_write(P.PCI_BRIDGE_CONTROL, 2, 0);
      expect(hw.config_read(0, 4)).toBe(0x56781234);
    }));

  it('is not reached through a bridge in D3hot', () =>
    alone({}, (hw, up) => {
      up.config_write(0x44, 2, 3);
      expect(hw.config_read(0, 4)).toBe(0xffffffff);
      up.config_write(0x44, 2, 0);
      expect(hw.config_read(0, 4)).toBe(0x56781234);
    }));

  it('finds capabilities and extended capabilities', () =>
    alone({ msi: 0x80, sriov: true }, (hw) => {
      expect(hw.find_cap(P.PCI_CAP_ID_MSI)).toBe(0x50);
      expect(hw.find_cap(P.PCI_CAP_ID_VPD)).toBe(0);
      expect(hw.find_ext_cap(P.PCI_EXT_CAP_ID_SRIOV)).toBe(0x120);
      expect(hw.find_ext_cap(P.PCI_EXT_CAP_ID_ERR)).toBe(0);
    }));
});

describe('power states of the hardware', () => {
  it('D3hot to D0 with NoSoftRst clear resets config space and registers', () =>
    alone({ pmcsr: 0 }, (hw, _up, model) => {
      hw.config_write(P.PCI_COMMAND, 2, 0x0007);
      hw.bar_write(0, 4, 4, 0x1234);
      hw.config_write(0x44, 2, 3);
      expect(hw.power).toBe(P.PCI_HW_D3HOT);
      hw.config_write(0x44, 2, 0);
      expect(hw.config_read(P.PCI_COMMAND, 2)).toBe(0);
      expect(hw.config_read(P.PCI_BASE_ADDRESS_0, 4)).toBe(0);
      expect(model.resets).toEqual(['d3hot']);
      expect(model.powers).toEqual(['0>3', '3>0']);
    }));

  it('D3hot to D0 with NoSoftRst set keeps everything', () =>
    alone({ pmcsr: 8 }, (hw, _up, model) => {
      hw.config_write(P.PCI_COMMAND, 2, 0x0007);
      hw.bar_write(0, 4, 4, 0x1234);
      hw.config_write(0x44, 2, 3);
      hw.config_write(0x44, 2, 0);
      expect(hw.config_read(P.PCI_COMMAND, 2)).toBe(7);
      expect(hw.bar_read(0, 4, 4)).toBe(0x1234);
      expect(model.resets).toEqual([]);
    }));

  it('the quirk d3hot_keeps_state keeps it in spite of NoSoftRst', () =>
    alone({ pmcsr: 0, quirks: { d3hot_keeps_state: true } }, (hw, _up, model) => {
      hw.config_write(0x44, 2, 3);
      hw.config_write(0x44, 2, 0);
      expect(model.resets).toEqual([]);
    }));

  it('ignores D1 and D2 without support, and any low state with refuses_d3, but takes the other bits', () =>
    alone({ quirks: { refuses_d3: true } }, (hw) => {
      hw.config_write(0x44, 2, 0x0101);
      expect(hw.config_read(0x44, 2)).toBe(0x0100);
      hw.config_write(0x44, 2, 3);
      expect(hw.config_read(0x44, 2)).toBe(0);
      expect(hw.power).toBe(0);
    }));

  it('goes to D1 and D2 where PMC says so, and not back to a shallower low state', () =>
    alone({ pmc: 0x0603 }, (hw) => {
      hw.config_write(0x44, 2, 2);
      expect(hw.power).toBe(2);
      hw.config_write(0x44, 2, 1);
      expect(hw.power).toBe(2);
    }));

  it('power that comes back leaves power-on values', () =>
    alone({ msix: 2 }, (hw, up, model) => {
      hw.bar_write(1, 0, 4, 0xfee00000);
      up.set_main_power('slot', false);
      expect(hw.hw_state()).toBe(P.PCI_HW_D3COLD);
      expect(up.hw_state()).toBe(0);
      up.set_main_power('slot', true);
      up.set_main_power('slot', true);
      expect(hw.bar_read(1, 0, 4)).toBe(0);
      expect(model.resets).toEqual(['power']);
      expect(model.powers).toEqual(['0>4', '4>0']);
    }));

  it('keeps vendor bytes over a reset with the quirk, never over a power loss', () =>
    alone({ msi: 0x80, quirks: { reset_keeps_vendor_bytes: true } }, (hw) => {
      hw.wmask.fill(0xff, 0x5e, 0x60);
      hw.config_write(0x5e, 1, 0x66);
      hw.wmask[0xd0] = 0xff;
      hw.config_write(0xd0, 1, 0x77);
      hw.config_write(P.PCI_COMMAND, 2, 6);
      hw.reset('flr');
      expect(hw.config_read(0xd0, 1)).toBe(0x77);
      expect(hw.config_read(0x5e, 1)).toBe(0x66);
      expect(hw.config_read(P.PCI_COMMAND, 2)).toBe(0);
    }));
});

describe('resets of the hardware', () => {
  it('FLR happens on the bit and reads back as 0', () =>
    alone({ flr: true }, (hw, _up, model) => {
      hw.config_write(P.PCI_COMMAND, 2, 7);
      hw.config_write(0x68, 2, 0x8000);
      expect(model.resets).toEqual(['flr']);
      expect(hw.config_read(P.PCI_COMMAND, 2)).toBe(0);
      expect(hw.config_read(0x68, 2) & 0x8000).toBe(0);
    }));

  it('without the FLR capability the bit does nothing', () =>
    alone({}, (hw, _up, model) => {
      hw.config_write(0x68, 2, 0x8000);
      expect(model.resets).toEqual([]);
    }));

  it('AF FLR and secondary bus reset reach the model', () =>
    alone({ af: true }, (hw, up, model) => {
      hw.config_write(0xc4, 1, 1);
      up.config_write(P.PCI_BRIDGE_CONTROL, 2, P.PCI_BRIDGE_CTL_BUS_RESET);
      up.config_write(P.PCI_BRIDGE_CONTROL, 2, 0);
      expect(model.resets).toEqual(['af_flr', 'bus']);
    }));
});

describe('address decoding', () => {
  it('answers at the BAR while COMMAND and the bridges say so, all ones otherwise', () =>
    alone({}, (hw, up) => {
      const fabric = hw.fabric as P.pci_fabric;
      fabric.write(0xfe000010, 4, 0xabcd, false);
      expect(fabric.read(0xfe000010, 4, false)).toBe(0xabcd);
      fabric.write(0xe004, 2, 0x55, true);
      expect(fabric.read(0xe004, 2, true)).toBe(0x55);
      expect(fabric.read(0xfd000000, 4, false)).toBe(0xffffffff);
      hw.config_write(P.PCI_COMMAND, 2, 1);
      expect(fabric.read(0xfe000010, 4, false)).toBe(0xffffffff);
      hw.config_write(P.PCI_COMMAND, 2, 3);
      up.config_write(P.PCI_COMMAND, 2, 1);
      expect(fabric.read(0xfe000010, 4, false)).toBe(0xffffffff);
      up.config_write(P.PCI_COMMAND, 2, 7);
      up.config_write(P.PCI_MEMORY_BASE, 4, 0);
      expect(fabric.read(0xfe000010, 4, false)).toBe(0xffffffff);
    }));

  it('prefetchable windows forward, too', () =>
    alone({}, (hw, up) => {
      up.config_write(P.PCI_MEMORY_BASE, 4, 0);
      up.config_write(P.PCI_PREF_MEMORY_BASE, 4, 0xfef1fe01);
      expect((hw.fabric as P.pci_fabric).read(0xfe000000, 4, false)).toBe(0);
    }));

  it('is silent in D3hot unless the quirk says that it decodes', async () => {
    await alone({}, (hw) => {
      hw.config_write(0x44, 2, 3);
      expect(hw.answers(false)).toBe(false);
    });
    await alone({ quirks: { d3hot_decodes: true } }, (hw) => {
      hw.config_write(0x44, 2, 3);
      expect(hw.answers(false)).toBe(true);
    });
  });

  it('the ROM answers only when enabled', () =>
    alone({ rom: true }, (hw) => {
      expect(hw.bar_address(P.PCI_ROM_BAR)).toBe(-1);
      hw.config_write(P.PCI_ROM_ADDRESS, 4, 0xfe002001);
      expect(hw.bar_address(P.PCI_ROM_BAR)).toBe(0xfe002000);
    }));

  it('a function without a model reads 0', async () => {
    await new Machine().run(() => {
      const hw = new P.pci_function_hw({ name: 'x', config: new Uint8Array(256), bar_sizes: [16] });
      hw.bar_write(0, 0, 4, 5);
      expect(hw.bar_read(0, 0, 4)).toBe(0);
    });
  });

  it('legacy VGA ranges go to the adapter while it decodes', () =>
    alone({ parent: null }, (hw, up) => {
      const fabric = hw.fabric as P.pci_fabric;
      const seen: string[] = [];
      Object.assign(hw.model as object, {
        legacy_read: (io: boolean, addr: number) => (
          seen.push(`r${io ? 'p' : 'm'}${addr.toString(16)}`),
          0x67
        ),
        legacy_write: (io: boolean, addr: number) => seen.push(`w${io ? 'p' : 'm'}${addr.toString(16)}`),
      });
      expect(fabric.read(0x3cc, 1, true)).toBe(0xff);
      up.config_write(P.PCI_BRIDGE_CONTROL, 2, P.PCI_BRIDGE_CTL_VGA);
      expect(fabric.read(0x3cc, 1, true)).toBe(0x67);
      fabric.write(0xb8000, 2, 7, false);
      hw.config_write(P.PCI_COMMAND, 2, 0);
      expect(fabric.read(0x3cc, 1, true)).toBe(0xff);
      hw.quirks.legacy_ungated = true;
      expect(fabric.read(0x3cc, 1, true)).toBe(0x67);
      expect(seen).toEqual(['rp3cc', 'wmb8000', 'rp3cc']);
    }));
});

describe('the INTx pin', () => {
  it('follows the request while DisINTx is clear, and STATUS.Interrupt shows it always', () =>
    alone({}, (hw) => {
      const levels: boolean[] = [];
      hw.on_intx = (on) => levels.push(on);
      hw.raise_intx();
      hw.raise_intx();
      expect(hw.config_read(P.PCI_STATUS, 2) & P.PCI_STATUS_INTERRUPT).toBe(8);
      hw.config_write(P.PCI_COMMAND, 2, 0x0403);
      expect(hw.config_read(P.PCI_STATUS, 2) & P.PCI_STATUS_INTERRUPT).toBe(8);
      hw.config_write(P.PCI_COMMAND, 2, 3);
      hw.lower_intx();
      expect(levels).toEqual([true, false, true, false]);
      expect(hw.intx_pending()).toBe(false);
    }));

  it('is silent outside D0, without power and with MSI on', () =>
    alone({ msi: 0x80, pmcsr: 8 }, (hw) => {
      hw.raise_intx();
      expect(hw.pin).toBe(true);
      hw.config_write(0x44, 2, 3);
      expect(hw.pin).toBe(false);
      hw.config_write(0x44, 2, 0);
      expect(hw.pin).toBe(true);
      hw.config_write(0x52, 2, 1);
      expect(hw.pin).toBe(false);
      hw.config_write(0x52, 2, 0);
      hw.set_main_power('cut', false);
      expect(hw.pin).toBe(false);
    }));
});

describe('messages', () => {
  it('MSI sends address and data of the capability, vector in the low bits', () =>
    alone({ msi: 0x0182 }, (hw) => {
      const sent: [bigint, number][] = [];
      hw.on_msi = (a, d) => sent.push([a, d]);
      expect(hw.send_msi(0)).toBe(false);
      hw.config_write(P.PCI_COMMAND, 2, 6);
      hw.config_write(0x54, 4, 0xfee00000);
      hw.config_write(0x58, 4, 1);
      hw.config_write(0x5c, 2, 0x40);
      hw.config_write(0x52, 2, 0x11);
      hw.notify(1);
      expect(hw.send_msi(2)).toBe(false);
      hw.config_write(0x60, 4, 1);
      expect(hw.send_msi(0)).toBe(true);
      expect(sent).toEqual([[0x1fee00000n, 0x41]]);
      hw.config_write(0x60, 4, 0);
      expect(sent.length).toBe(2);
      hw.config_write(P.PCI_COMMAND, 2, 2);
      expect(hw.send_msi(0)).toBe(false);
    }));

  it('a masked MSI-X vector becomes pending and fires when unmasked', () =>
    alone({ msix: 2 }, (hw) => {
      const sent: number[] = [];
      hw.on_msi = (_a, d) => sent.push(d);
      hw.config_write(P.PCI_COMMAND, 2, 6);
      hw.config_write(0xa2, 2, 0x8000);
      hw.bar_write(1, 16, 4, 0xfee00000);
      hw.bar_write(1, 20, 4, 2);
      hw.bar_write(1, 24, 4, 99);
      hw.send_msi(1);
      expect(hw.bar_read(1, 0x800, 4)).toBe(2);
      hw.bar_write(1, 0x800, 4, 0);
      expect(sent).toEqual([]);
      hw.bar_write(1, 28, 1, 0);
      expect(sent).toEqual([99]);
      expect(hw.bar_read(1, 0x800, 4)).toBe(0);
      expect(hw.bar_read(1, 16, 4)).toBe(0xfee00000);
      expect(hw.bar_read(1, 20, 4)).toBe(2);
      expect(hw.bar_read(1, 26, 2)).toBe(0);
      hw.config_write(0xa2, 2, 0xc000);
      hw.send_msi(1);
      expect(sent.length).toBe(1);
      hw.config_write(0xa2, 2, 0x8000);
      expect(sent).toEqual([99, 99]);
      expect(hw.send_msi(5)).toBe(false);
      expect(hw.msi_enabled()).toBe(false);
    }));

  it('notify raises the pin when no messages are on', () =>
    alone({}, (hw) => {
      hw.notify(3);
      expect(hw.pin).toBe(true);
    }));
});

describe('PME, DMA, VPD', () => {
  it('PME sets the status only from states that PMC lists, and is signalled with PME_En', () =>
    alone({ pmc: 0x4003, pmcsr: 8 }, (hw) => {
      let woken = 0;
      hw.on_pme = () => woken++;
      hw.pme();
      expect(hw.config_read(0x44, 2) & 0x8000).toBe(0);
      hw.config_write(0x44, 2, 0x0003);
      hw.pme();
      expect(hw.config_read(0x44, 2) & 0x8000).toBe(0x8000);
      expect(woken).toBe(0);
      hw.config_write(0x44, 2, 0x8103);
      expect(hw.config_read(0x44, 2) & 0x8000).toBe(0);
      hw.pme();
      expect(woken).toBe(1);
    }));

  it('DMA needs power, bus mastering and somebody who translates', () =>
    alone({ no_pm: true }, (hw) => {
      hw.pme();
      expect(hw.dma_read(0n, 4)).toBe('no-bus-master');
      expect(hw.dma_write(0n, new Uint8Array(1))).toBe('no-bus-master');
      hw.config_write(P.PCI_COMMAND, 2, 6);
      expect(hw.dma_read(0n, 4)).toBe('fault');
      expect(hw.dma_write(0n, new Uint8Array(1))).toBe('fault');
      const fabric = hw.fabric as P.pci_fabric;
      fabric.dma = { read: (_f, _a, n) => new Uint8Array(n), write: () => null };
      expect(hw.dma_read(0n, 4)).toEqual(new Uint8Array(4));
      expect(hw.dma_write(0n, new Uint8Array(1))).toBeNull();
      hw.set_main_power('cut', false);
      expect(hw.dma_read(0n, 4)).toBe('no-power');
      expect(hw.dma_write(0n, new Uint8Array(1))).toBe('no-power');
    }));

  it('VPD flips its flag when a dword was moved', () =>
    alone({ vpd: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) }, (hw, _up, model) => {
      hw.config_write(0xb2, 2, 4);
      expect(hw.config_read(0xb2, 2)).toBe(0x8004);
      expect(hw.config_read(0xb4, 4)).toBe(0x08070605);
      hw.config_write(0xb4, 4, 0x11223344);
      hw.config_write(0xb2, 2, 0x8000);
      expect(hw.config_read(0xb2, 2)).toBe(0);
      expect(model.vpd?.[0]).toBe(0x44);
    }));
});
