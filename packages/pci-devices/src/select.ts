// SPDX-License-Identifier: GPL-2.0-only
// Which model a function gets: by vendor and device id from its config bytes, else by class, else a generic one.

import type { pci_device_model } from '@vfio-lab/pci';
import type { int } from '@vfio-lab/sim';
import { ahci_device } from './ahci.ts';
import { doorbell_device, lab_intx, lab_nic, nvidia_gpu } from './doorbell.ts';
import { e1000_device } from './e1000.ts';
import { e1000e_device } from './e1000e.ts';
import { edu_device } from './edu.ts';
import { generic_device } from './generic.ts';
import { hda_device } from './hda.ts';
import { ivshmem_device } from './ivshmem.ts';
import { nvme_device } from './nvme.ts';
import { pci_testdev } from './pci_testdev.ts';
import { ids_of, mac_from_serial, nth_mac } from './regs.ts';
import type { device_ids, mac_address } from './regs.ts';
import { rtl8139_device } from './rtl8139.ts';
import { vga_device } from './vga.ts';
import { virtio_rng_device } from './virtio.ts';
import { xhci_device } from './xhci.ts';

/** A function to find a model for. */
export interface device_description {
  /** 'dddd:bb:dd.f' */
  readonly bdf: string;
  /** Config space; the first 64 bytes are enough but for the address of a network card. */
  readonly config: Uint8Array;
  /** Force a model by name (model_names) instead of looking at the ids. */
  readonly model?: string;
  /** For a function without a model: are its BARs memory. */
  readonly ram?: boolean;
  /** Network address, when it is known. */
  readonly mac?: mac_address;
  /**
   * Checksum byte of a VGA ROM, which its firmware patches: 0x41 on the recorded machines with ACPI hotplug, 0x11 on
   * those without.
   */
  readonly rom_checksum?: int;
}

type maker = (desc: device_description) => pci_device_model;

const BY_NAME: Readonly<Record<string, maker>> = {
  edu: () => new edu_device(),
  e1000: (desc) => new e1000_device(desc.mac),
  e1000e: (desc) => new e1000e_device(desc.mac),
  nvme: () => new nvme_device(),
  'pci-testdev': () => new pci_testdev(),
  ivshmem: () => new ivshmem_device(),
  rtl8139: (desc) => new rtl8139_device(desc.mac),
  vga: (desc) => new vga_device(desc.rom_checksum),
  hda: () => new hda_device(),
  'gpu-audio': () => new hda_device('gpu-audio', 1),
  'virtio-rng': () => new virtio_rng_device(),
  xhci: () => new xhci_device(),
  ahci: () => new ahci_device(),
  'nvidia-gpu': () => nvidia_gpu(),
  'lab-nic': () => lab_nic(),
  'lab-intx': () => lab_intx(),
  doorbell: (desc) => new doorbell_device({ name: `doorbell ${desc.bdf}`, id: 0x1ab00000 }),
  generic: (desc) => new generic_device({ ram: desc.ram ?? false }),
};

/** Names that device_description.model may have. */
export const model_names: readonly string[] = Object.keys(BY_NAME);

/** Vendor of the cards that exist only here; the device ids say which. */
export const LAB_VENDOR = 0x1ab0;
export const LAB_NIC = 0x0001;
export const LAB_INTX = 0x0002;

const BY_ID: Readonly<Record<string, string>> = {
  '1234:11e8': 'edu',
  '8086:100e': 'e1000',
  '8086:1004': 'e1000',
  '8086:100f': 'e1000',
  '8086:10d3': 'e1000e',
  '1b36:0010': 'nvme',
  '8086:5845': 'nvme',
  '1b36:0005': 'pci-testdev',
  '1af4:1110': 'ivshmem',
  '10ec:8139': 'rtl8139',
  '1234:1111': 'vga',
  '8086:2668': 'hda',
  '8086:293e': 'hda',
  '1af4:1044': 'virtio-rng',
  '1b36:000d': 'xhci',
  '1033:0194': 'xhci',
  '8086:2922': 'ahci',
  '1ab0:0001': 'lab-nic',
  '1ab0:0002': 'lab-intx',
};

const PCI_VENDOR_ID_NVIDIA = 0x10de;
const CLASS_DISPLAY = 0x03;
const CLASS_AUDIO = 0x0403;
const CLASS_NVME = 0x010802;

function by_class(ids: device_ids): string {
  if (ids.vendor === PCI_VENDOR_ID_NVIDIA && ids.class >>> 16 === CLASS_DISPLAY) return 'nvidia-gpu';
  if (ids.class >>> 8 === CLASS_AUDIO) return ids.vendor === PCI_VENDOR_ID_NVIDIA ? 'gpu-audio' : 'hda';
  if (ids.class === CLASS_NVME) return 'nvme';
  return ids.vendor === LAB_VENDOR ? 'doorbell' : 'generic';
}

/** Name of the model that a function with these config bytes gets. */
export function model_name(desc: device_description): string {
  if (desc.model !== undefined) return desc.model;
  const ids = ids_of(desc.config);
  return BY_ID[`${hex4(ids.vendor)}:${hex4(ids.device)}`] ?? by_class(ids);
}

/**
 * Make the model of one function.
 * @returns a fresh model; a generic one when nothing fits
 */
export function create_device_model(desc: device_description): pci_device_model {
  const make = BY_NAME[model_name(desc)];
  return make ? make(desc) : new generic_device({ ram: desc.ram ?? false });
}

const NETWORK_MODELS: readonly string[] = ['e1000', 'e1000e', 'rtl8139'];

/**
 * Make the models of all functions of a machine, by bdf. Network cards without an address of their own get the
 * next free one of the usual row; those on the root bus come last, as a command line has them.
 */
export function create_device_models(descs: readonly device_description[]): Map<string, pci_device_model> {
  const cards = descs.filter((d) => NETWORK_MODELS.includes(model_name(d)));
  const used = new Set<string>();
  for (const card of cards) {
    const own = card.mac ?? mac_from_serial(card.config);
    if (own) used.add(own.join());
  }
  const macs = new Map<device_description, mac_address>();
  const waiting = cards.filter((d) => !d.mac && !mac_from_serial(d.config));
  waiting.sort((a, b) => Number(on_root_bus(a.bdf)) - Number(on_root_bus(b.bdf)) || (a.bdf < b.bdf ? -1 : 1));
  let n = 0;
  for (const card of waiting) {
    while (used.has(nth_mac(n).join())) n++;
    macs.set(card, nth_mac(n++));
  }
  const models = new Map<string, pci_device_model>();
  for (const desc of descs) {
    const mac = desc.mac ?? macs.get(desc);
    models.set(desc.bdf, create_device_model(mac ? { ...desc, mac } : desc));
  }
  return models;
}

function on_root_bus(bdf: string): boolean {
  return bdf.slice(-7, -5) === '00';
}

function hex4(n: int): string {
  return n.toString(16).padStart(4, '0');
}
