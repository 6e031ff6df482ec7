// SPDX-License-Identifier: GPL-2.0-only

import { vfio, virqfd } from '@vfio-lab/vfio';
import { vfio_pci } from '@vfio-lab/vfio-pci';
import { vfio_pci_config } from '@vfio-lab/vfio-pci-config';
import { vfio_pci_core, vfio_pci_rdwr } from '@vfio-lab/vfio-pci-core';
import { vfio_pci_intrs } from '@vfio-lab/vfio-pci-intrs';
import type { Module } from './link.ts';

/** The mirrored files of v5.19-rc4, by C file. */
export const BASE_FILES: Readonly<Record<string, Module>> = {
  'drivers/vfio/vfio.c': vfio,
  'drivers/vfio/virqfd.c': virqfd,
  'drivers/vfio/pci/vfio_pci_core.c': vfio_pci_core,
  'drivers/vfio/pci/vfio_pci_intrs.c': vfio_pci_intrs,
  'drivers/vfio/pci/vfio_pci_rdwr.c': vfio_pci_rdwr,
  'drivers/vfio/pci/vfio_pci_config.c': vfio_pci_config,
  'drivers/vfio/pci/vfio_pci.c': vfio_pci,
};

/** The mirrored files in link order. */
export const BASE: readonly Module[] = Object.values(BASE_FILES);
