// SPDX-License-Identifier: GPL-2.0-only
// What a program can use of a machine: its devices under the names that programs call them, and what they can do.
import { PCI_CAP_ID_MSI, PCI_CAP_ID_MSIX, PCI_CAP_ID_PM } from '@vfio-lab/pci';
import { type MachineDevice, topology } from '@vfio-lab/testbed';

/** A function that can be passed to a user. */
export interface Device {
  /** D0, D1, ...: its file, in a program. */
  handle: string;
  /** G0, G1, ...: the file of its group; functions of one group share it. */
  group: string;
  bdf: string;
  /** It has an interrupt pin. */
  intx: boolean;
  /** Offset of the capability in config space, 0: none. */
  pm: number;
  msi: number;
  msix: number;
  /** It can have virtual functions. */
  sriov: boolean;
  /** Registers of BAR 0 that raise its interrupt and acknowledge it; null: it never interrupts. */
  doorbell: { raise: number; ack: number } | null;
}

const PORT_CLASS = 0x0604;
const HOST_BRIDGE_CLASS = 0x0600;

/** Offset of a capability, 0: none. */
function capability(config: Uint8Array, id: number): number {
  for (let at = config[0x34], left = 48; at >= 0x40 && left > 0; at = config[at + 1], left--)
    if (config[at] === id) return at;
  return 0;
}

/** Devices of ours with a doorbell, by the name of their model. */
const DOORBELLS: Readonly<Record<string, Device['doorbell']>> = {
  'lab-intx': { raise: 0x08, ack: 0x0c },
  'lab-nic': { raise: 0x08, ack: 0x0c },
  'nvidia-gpu': { raise: 0x144, ack: 0x148 },
};

function isEndpoint(d: MachineDevice): boolean {
  const cls = (d.config[0x0b] << 8) | d.config[0x0a];
  return cls !== PORT_CLASS && cls !== HOST_BRIDGE_CLASS;
}

/** The devices of a topology, in the order of their addresses. Throws InputError when there is no such topology. */
export function devicesOf(name: string): Device[] {
  const endpoints = topology(name).devices.filter(isEndpoint);
  return endpoints.map((d, i) => ({
    handle: `D${i}`,
    group: `G${endpoints.findIndex((e) => e.iommuGroup === d.iommuGroup)}`,
    bdf: d.bdf,
    intx: d.config[0x3d] !== 0,
    pm: capability(d.config, PCI_CAP_ID_PM),
    msi: capability(d.config, PCI_CAP_ID_MSI),
    msix: capability(d.config, PCI_CAP_ID_MSIX),
    sriov: d.attrs.sriov_totalvfs !== undefined,
    doorbell: DOORBELLS[d.model ?? ''] ?? null,
  }));
}
