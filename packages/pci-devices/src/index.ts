// SPDX-License-Identifier: GPL-2.0-only
export { ahci_device } from './ahci.ts';
export { DOORBELL_LAYOUT, doorbell_device, lab_intx, lab_nic, nvidia_gpu } from './doorbell.ts';
export type { doorbell_layout, doorbell_options } from './doorbell.ts';
export { e1000_device } from './e1000.ts';
export { e1000e_device } from './e1000e.ts';
export { edu_device } from './edu.ts';
export { generic_device } from './generic.ts';
export type { generic_options } from './generic.ts';
export { hda_device } from './hda.ts';
export { ivshmem_device } from './ivshmem.ts';
export { nvme_device } from './nvme.ts';
export { pci_testdev } from './pci_testdev.ts';
export { FIRST_MAC, ids_of, mac_from_serial, nth_mac } from './regs.ts';
export type { device_ids, mac_address } from './regs.ts';
export { rtl8139_device } from './rtl8139.ts';
export {
  create_device_model,
  create_device_models,
  LAB_INTX,
  LAB_NIC,
  LAB_VENDOR,
  model_name,
  model_names,
} from './select.ts';
export type { device_description } from './select.ts';
export { vga_device } from './vga.ts';
export { virtio_rng_device } from './virtio.ts';
export { xhci_device } from './xhci.ts';
