// SPDX-License-Identifier: GPL-2.0-only
import { vfio, virqfd } from '@vfio-lab/vfio';
import { vfio_pci } from '@vfio-lab/vfio-pci';
import { vfio_pci_config } from '@vfio-lab/vfio-pci-config';
import { vfio_pci_core, vfio_pci_rdwr } from '@vfio-lab/vfio-pci-core';
import { vfio_pci_intrs } from '@vfio-lab/vfio-pci-intrs';
import type { Module } from './link.ts';

/** The seven files of v5.19-rc4, in the order in which their data are made and their modules are loaded. */
export const base: readonly Module[] = [
  vfio,
  virqfd,
  vfio_pci_core,
  vfio_pci_rdwr,
  vfio_pci_config,
  vfio_pci_intrs,
  vfio_pci,
];
