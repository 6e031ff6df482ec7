// SPDX-License-Identifier: GPL-2.0-only
/* One namespace a C file: what link() of @vfio-lab/series takes. */
export * as vfio_pci_core from './vfio_pci_core.ts';
export * as vfio_pci_rdwr from './vfio_pci_rdwr.ts';
export * from './left_out.ts';
// for patches
export * from './array_bytes.ts';
