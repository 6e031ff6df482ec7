// SPDX-License-Identifier: GPL-2.0-only
// What the IOMMU of a machine is: what it can translate, which addresses are taken, and all groups.

import { machine } from '@vfio-lab/sim';
import { ida } from '@vfio-lab/kernel';
import type { iommu_group } from './group.ts';

/** enum iommu_resv_type, as far as an Intel machine has them */
export const IOMMU_RESV_DIRECT = 0;
export const IOMMU_RESV_DIRECT_RELAXABLE = 1;
export const IOMMU_RESV_RESERVED = 2;
export const IOMMU_RESV_MSI = 3;
export const IOMMU_RESV_SW_MSI = 4;

/** struct iommu_resv_region */
export interface iommu_resv_region {
  readonly start: bigint;
  readonly length: bigint;
  readonly type: number;
}

/** The IOMMU of the machine. */
export interface iommu_hardware {
  /** Is there one at all. */
  readonly present: boolean;
  /** Last address it translates. */
  readonly aperture_end: bigint;
  /** Page sizes, one bit each. */
  readonly pgsize_bitmap: bigint;
  /** Addresses no mapping may use. */
  readonly resv_regions: readonly iommu_resv_region[];
  /** DMA is coherent with the caches (IOMMU_CAP_CACHE_COHERENCY). */
  readonly cache_coherency: boolean;
  /** Interrupts are remapped (IOMMU_CAP_INTR_REMAP). */
  readonly intr_remap: boolean;
  /** Can it override no-snoop requests; VFIO_DMA_CC_IOMMU then. */
  readonly snoop_control: boolean;
  /** Can it nest translations. */
  readonly nesting: boolean;
}

/** VT-d with three-level tables, as the recorded machines have it. */
export const VTD: iommu_hardware = {
  present: true,
  aperture_end: (1n << 39n) - 1n,
  pgsize_bitmap: 0x40201000n,
  resv_regions: [{ start: 0xfee00000n, length: 0x100000n, type: IOMMU_RESV_MSI }],
  cache_coherency: true,
  intr_remap: true,
  snoop_control: false,
  nesting: true,
};

/** Per-machine state. */
export class iommu_state {
  hardware: iommu_hardware = VTD;
  readonly group_ida = new ida();
  readonly groups = new Map<number, iommu_group>();
}

/** The running machine's. */
export function iommu(): iommu_state {
  return machine.scope(iommu_state, () => new iommu_state());
}

/** Describe the IOMMU of the running machine; before any group is made. Left out: as in VTD. */
export function iommu_setup(hardware: Partial<iommu_hardware>): void {
  iommu().hardware = { ...VTD, ...hardware };
}
