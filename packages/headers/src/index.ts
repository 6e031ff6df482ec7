// SPDX-License-Identifier: GPL-2.0-only
export * from './uapi/vfio.ts';
export * from './vfio.ts';
export * from './vfio_pci_core.ts';
export type * from './kernel.ts';
export type * from './protos/vfio.ts';
export type * from './protos/virqfd.ts';
export * from './protos/vfio_pci_config.ts';
export type * from './protos/vfio_pci_core.ts';
export type * from './protos/vfio_pci_intrs.ts';
export type * from './protos/vfio_pci_rdwr.ts';
export type * from './protos/vfio_pci.ts';
