// SPDX-License-Identifier: GPL-2.0-only
/* The image of the driver: everything that its C files define, and what patches may replace. */

import type { vfio_c } from './protos/vfio.ts';
import type { vfio_pci_c } from './protos/vfio_pci.ts';
import type { vfio_pci_config_c } from './protos/vfio_pci_config.ts';
import type { vfio_pci_core_c } from './protos/vfio_pci_core.ts';
import type { vfio_pci_intrs_c } from './protos/vfio_pci_intrs.ts';
import type { vfio_pci_rdwr_c } from './protos/vfio_pci_rdwr.ts';
import type { virqfd_c } from './protos/virqfd.ts';

/**
 * `this` of every mirrored function: the running image. A function is called through it and so can be replaced by a
 * patch; file-scope data are members too, fresh for each boot.
 */
export interface Kernel
  extends
    vfio_c,
    virqfd_c,
    vfio_pci_core_c,
    vfio_pci_rdwr_c,
    vfio_pci_config_c,
    vfio_pci_intrs_c,
    vfio_pci_c {}
