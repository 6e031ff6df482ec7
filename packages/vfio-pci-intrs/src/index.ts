// SPDX-License-Identifier: GPL-2.0-only
/* One namespace a C file: what link() of @vfio-lab/series takes. */
export * as vfio_pci_intrs from './vfio_pci_intrs.ts';
