// SPDX-License-Identifier: GPL-2.0-only
/*
 * include/uapi/linux/vfio.h (v5.19-rc4): the container calls that the type1 back end serves itself.
 */

import { ustruct } from '@vfio-lab/kernel';

const VFIO_TYPE = 0x3b;
const VFIO_BASE = 100;
const _IO = (type: number, nr: number): number => (type << 8) | nr;

/* Extensions, for CHECK_EXTENSION and SET_IOMMU */
export const VFIO_TYPE1_IOMMU = 1;
export const VFIO_TYPE1v2_IOMMU = 3;
export const VFIO_DMA_CC_IOMMU = 4;
export const VFIO_TYPE1_NESTING_IOMMU = 6;
export const VFIO_UNMAP_ALL = 9;
export const VFIO_UPDATE_VADDR = 10;
export const VFIO_CHECK_EXTENSION = _IO(VFIO_TYPE, VFIO_BASE + 1);

export const vfio_iommu_type1_info = ustruct('vfio_iommu_type1_info', {
  argsz: 'u32',
  flags: 'u32',
  iova_pgsizes: 'u64',
  cap_offset: 'u32',
});
export type vfio_iommu_type1_info = InstanceType<typeof vfio_iommu_type1_info>;
export const VFIO_IOMMU_INFO_PGSIZES = 1 << 0;
export const VFIO_IOMMU_INFO_CAPS = 1 << 1;

export const VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE = 1;
export const vfio_iova_range = ustruct('vfio_iova_range', { start: 'u64', end: 'u64' });
export type vfio_iova_range = InstanceType<typeof vfio_iova_range>;
export const vfio_iommu_type1_info_cap_iova_range = ustruct('vfio_iommu_type1_info_cap_iova_range', {
  id: 'u16',
  version: 'u16',
  next: 'u32',
  nr_iovas: 'u32',
  reserved: 'u32',
});
export type vfio_iommu_type1_info_cap_iova_range = InstanceType<typeof vfio_iommu_type1_info_cap_iova_range>;

export const VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION = 2;
export const vfio_iommu_type1_info_cap_migration = ustruct('vfio_iommu_type1_info_cap_migration', {
  id: 'u16',
  version: 'u16',
  next: 'u32',
  flags: 'u32',
  pgsize_bitmap: 'u64',
  max_dirty_bitmap_size: 'u64',
});
export type vfio_iommu_type1_info_cap_migration = InstanceType<typeof vfio_iommu_type1_info_cap_migration>;

export const VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL = 3;
export const vfio_iommu_type1_info_dma_avail = ustruct('vfio_iommu_type1_info_dma_avail', {
  id: 'u16',
  version: 'u16',
  next: 'u32',
  avail: 'u32',
});
export type vfio_iommu_type1_info_dma_avail = InstanceType<typeof vfio_iommu_type1_info_dma_avail>;
export const VFIO_IOMMU_GET_INFO = _IO(VFIO_TYPE, VFIO_BASE + 12);

export const vfio_iommu_type1_dma_map = ustruct('vfio_iommu_type1_dma_map', {
  argsz: 'u32',
  flags: 'u32',
  vaddr: 'u64',
  iova: 'u64',
  size: 'u64',
});
export type vfio_iommu_type1_dma_map = InstanceType<typeof vfio_iommu_type1_dma_map>;
export const VFIO_DMA_MAP_FLAG_READ = 1 << 0;
export const VFIO_DMA_MAP_FLAG_WRITE = 1 << 1;
export const VFIO_DMA_MAP_FLAG_VADDR = 1 << 2;
export const VFIO_IOMMU_MAP_DMA = _IO(VFIO_TYPE, VFIO_BASE + 13);

export const vfio_bitmap = ustruct('vfio_bitmap', { pgsize: 'u64', size: 'u64', data: 'u64' });
export type vfio_bitmap = InstanceType<typeof vfio_bitmap>;

export const vfio_iommu_type1_dma_unmap = ustruct('vfio_iommu_type1_dma_unmap', {
  argsz: 'u32',
  flags: 'u32',
  iova: 'u64',
  size: 'u64',
});
export type vfio_iommu_type1_dma_unmap = InstanceType<typeof vfio_iommu_type1_dma_unmap>;
export const VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP = 1 << 0;
export const VFIO_DMA_UNMAP_FLAG_ALL = 1 << 1;
export const VFIO_DMA_UNMAP_FLAG_VADDR = 1 << 2;
export const VFIO_IOMMU_UNMAP_DMA = _IO(VFIO_TYPE, VFIO_BASE + 14);

export const VFIO_IOMMU_ENABLE = _IO(VFIO_TYPE, VFIO_BASE + 15);
export const VFIO_IOMMU_DISABLE = _IO(VFIO_TYPE, VFIO_BASE + 16);

export const vfio_iommu_type1_dirty_bitmap = ustruct('vfio_iommu_type1_dirty_bitmap', {
  argsz: 'u32',
  flags: 'u32',
});
export type vfio_iommu_type1_dirty_bitmap = InstanceType<typeof vfio_iommu_type1_dirty_bitmap>;
export const VFIO_IOMMU_DIRTY_PAGES_FLAG_START = 1 << 0;
export const VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP = 1 << 1;
export const VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP = 1 << 2;
export const VFIO_IOMMU_DIRTY_PAGES = _IO(VFIO_TYPE, VFIO_BASE + 17);

/** `bitmap` is a struct vfio_bitmap. */
export const vfio_iommu_type1_dirty_bitmap_get = ustruct('vfio_iommu_type1_dirty_bitmap_get', {
  iova: 'u64',
  size: 'u64',
  pgsize: 'u64',
  bitmap_size: 'u64',
  data: 'u64',
});
export type vfio_iommu_type1_dirty_bitmap_get = InstanceType<typeof vfio_iommu_type1_dirty_bitmap_get>;
