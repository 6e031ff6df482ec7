// SPDX-License-Identifier: GPL-2.0-only
/* One namespace a C file: what link() of @vfio-lab/series takes. */
export * as vfio_pci_config from './vfio_pci_config.ts';
// for patches
export { le16_at, u8_at } from './le.ts';
