// SPDX-License-Identifier: GPL-2.0-only
export * from './state.ts';
export * from './domain.ts';
export * from './group.ts';
export { iommu_bus_init, iommu_probe_device, iommu_release_device } from './pci.ts';
export { vfio_iommu_driver_ops_type1 } from './type1.ts';
export type { type1_driver_ops } from './type1.ts';
export { mm_locked_vm, total_locked_vm } from './type1_pin.ts';
export { CAP_IPC_LOCK, type1_params, vfio_iommu_type1_params } from './type1_state.ts';
export * from './uapi.ts';
