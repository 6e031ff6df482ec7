// SPDX-License-Identifier: GPL-2.0-only
/*
 * include/uapi/linux/vfio.h (v5.19-rc4): ioctl numbers, flags and the byte layout of every struct that
 * vfio-pci and the type1 IOMMU exchange with user space.
 *
 * A struct that starts with a capability header has the header's members (id, version, next) as its own
 * first members. A flexible array at the end is not a member: it starts at sizeof() of the struct, or where
 * a constant ..._DATA says when padding makes these differ. VFIO_PCI_NUM_IRQS differs between revisions of
 * the driver and is therefore a member of the running image (protos/vfio_pci_core.ts).
 */

import { ustruct } from '@vfio-lab/kernel';

export const VFIO_API_VERSION = 0;

/* Extensions, for CHECK_EXTENSION and SET_IOMMU; those of the type1 IOMMU are below */
export const VFIO_SPAPR_TCE_IOMMU = 2;
export const VFIO_EEH = 5;
export const VFIO_SPAPR_TCE_v2_IOMMU = 7;
export const VFIO_NOIOMMU_IOMMU = 8;

export const VFIO_TYPE = 0x3b; // ';'
export const VFIO_BASE = 100;

const _IO = (type: number, nr: number): number => (type << 8) | nr;

export const vfio_info_cap_header = ustruct('vfio_info_cap_header', {
  id: 'u16',
  version: 'u16',
  next: 'u32',
});
export type vfio_info_cap_header = InstanceType<typeof vfio_info_cap_header>;

/* ---- the container, /dev/vfio/vfio ---- */
export const VFIO_GET_API_VERSION = _IO(VFIO_TYPE, VFIO_BASE + 0);
export const VFIO_SET_IOMMU = _IO(VFIO_TYPE, VFIO_BASE + 2);

/* ---- the group, /dev/vfio/$GROUP ---- */
export const vfio_group_status = ustruct('vfio_group_status', { argsz: 'u32', flags: 'u32' });
export type vfio_group_status = InstanceType<typeof vfio_group_status>;
export const VFIO_GROUP_FLAGS_VIABLE = 1 << 0;
export const VFIO_GROUP_FLAGS_CONTAINER_SET = 1 << 1;
export const VFIO_GROUP_GET_STATUS = _IO(VFIO_TYPE, VFIO_BASE + 3);
export const VFIO_GROUP_SET_CONTAINER = _IO(VFIO_TYPE, VFIO_BASE + 4);
export const VFIO_GROUP_UNSET_CONTAINER = _IO(VFIO_TYPE, VFIO_BASE + 5);
export const VFIO_GROUP_GET_DEVICE_FD = _IO(VFIO_TYPE, VFIO_BASE + 6);

/* ---- the device ---- */
export const vfio_device_info = ustruct('vfio_device_info', {
  argsz: 'u32',
  flags: 'u32',
  num_regions: 'u32',
  num_irqs: 'u32',
  cap_offset: 'u32',
});
export type vfio_device_info = InstanceType<typeof vfio_device_info>;
export const VFIO_DEVICE_FLAGS_RESET = 1 << 0;
export const VFIO_DEVICE_FLAGS_PCI = 1 << 1;
export const VFIO_DEVICE_FLAGS_PLATFORM = 1 << 2;
export const VFIO_DEVICE_FLAGS_AMBA = 1 << 3;
export const VFIO_DEVICE_FLAGS_CCW = 1 << 4;
export const VFIO_DEVICE_FLAGS_AP = 1 << 5;
export const VFIO_DEVICE_FLAGS_FSL_MC = 1 << 6;
export const VFIO_DEVICE_FLAGS_CAPS = 1 << 7;
export const VFIO_DEVICE_GET_INFO = _IO(VFIO_TYPE, VFIO_BASE + 7);

export const VFIO_DEVICE_API_PCI_STRING = 'vfio-pci';

export const vfio_region_info = ustruct('vfio_region_info', {
  argsz: 'u32',
  flags: 'u32',
  index: 'u32',
  cap_offset: 'u32',
  size: 'u64n',
  offset: 'u64n',
});
export type vfio_region_info = InstanceType<typeof vfio_region_info>;
export const VFIO_REGION_INFO_FLAG_READ = 1 << 0;
export const VFIO_REGION_INFO_FLAG_WRITE = 1 << 1;
export const VFIO_REGION_INFO_FLAG_MMAP = 1 << 2;
export const VFIO_REGION_INFO_FLAG_CAPS = 1 << 3;
export const VFIO_DEVICE_GET_REGION_INFO = _IO(VFIO_TYPE, VFIO_BASE + 8);

export const VFIO_REGION_INFO_CAP_SPARSE_MMAP = 1;
export const vfio_region_sparse_mmap_area = ustruct('vfio_region_sparse_mmap_area', {
  offset: 'u64n',
  size: 'u64n',
});
export type vfio_region_sparse_mmap_area = InstanceType<typeof vfio_region_sparse_mmap_area>;
export const vfio_region_info_cap_sparse_mmap = ustruct('vfio_region_info_cap_sparse_mmap', {
  id: 'u16',
  version: 'u16',
  next: 'u32',
  nr_areas: 'u32',
  reserved: 'u32',
});
export type vfio_region_info_cap_sparse_mmap = InstanceType<typeof vfio_region_info_cap_sparse_mmap>;

export const VFIO_REGION_INFO_CAP_TYPE = 2;
export const vfio_region_info_cap_type = ustruct('vfio_region_info_cap_type', {
  id: 'u16',
  version: 'u16',
  next: 'u32',
  type: 'u32',
  subtype: 'u32',
});
export type vfio_region_info_cap_type = InstanceType<typeof vfio_region_info_cap_type>;

export const VFIO_REGION_TYPE_PCI_VENDOR_TYPE = 0x80000000;
export const VFIO_REGION_TYPE_PCI_VENDOR_MASK = 0xffff;
export const VFIO_REGION_TYPE_GFX = 1;
export const VFIO_REGION_TYPE_CCW = 2;
export const VFIO_REGION_TYPE_MIGRATION_DEPRECATED = 3;
export const VFIO_REGION_SUBTYPE_INTEL_IGD_OPREGION = 1;
export const VFIO_REGION_SUBTYPE_INTEL_IGD_HOST_CFG = 2;
export const VFIO_REGION_SUBTYPE_INTEL_IGD_LPC_CFG = 3;

export const VFIO_REGION_INFO_CAP_MSIX_MAPPABLE = 3;

export const vfio_irq_info = ustruct('vfio_irq_info', {
  argsz: 'u32',
  flags: 'u32',
  index: 'u32',
  count: 'u32',
});
export type vfio_irq_info = InstanceType<typeof vfio_irq_info>;
export const VFIO_IRQ_INFO_EVENTFD = 1 << 0;
export const VFIO_IRQ_INFO_MASKABLE = 1 << 1;
export const VFIO_IRQ_INFO_AUTOMASKED = 1 << 2;
export const VFIO_IRQ_INFO_NORESIZE = 1 << 3;
export const VFIO_DEVICE_GET_IRQ_INFO = _IO(VFIO_TYPE, VFIO_BASE + 9);

export const vfio_irq_set = ustruct('vfio_irq_set', {
  argsz: 'u32',
  flags: 'u32',
  index: 'u32',
  start: 'u32',
  count: 'u32',
});
export type vfio_irq_set = InstanceType<typeof vfio_irq_set>;
export const VFIO_IRQ_SET_DATA_NONE = 1 << 0;
export const VFIO_IRQ_SET_DATA_BOOL = 1 << 1;
export const VFIO_IRQ_SET_DATA_EVENTFD = 1 << 2;
export const VFIO_IRQ_SET_ACTION_MASK = 1 << 3;
export const VFIO_IRQ_SET_ACTION_UNMASK = 1 << 4;
export const VFIO_IRQ_SET_ACTION_TRIGGER = 1 << 5;
export const VFIO_DEVICE_SET_IRQS = _IO(VFIO_TYPE, VFIO_BASE + 10);
export const VFIO_IRQ_SET_DATA_TYPE_MASK =
  VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_DATA_EVENTFD;
export const VFIO_IRQ_SET_ACTION_TYPE_MASK =
  VFIO_IRQ_SET_ACTION_MASK | VFIO_IRQ_SET_ACTION_UNMASK | VFIO_IRQ_SET_ACTION_TRIGGER;

export const VFIO_DEVICE_RESET = _IO(VFIO_TYPE, VFIO_BASE + 11);

/* Fixed region and interrupt indexes of vfio-pci */
export const VFIO_PCI_BAR0_REGION_INDEX = 0;
export const VFIO_PCI_BAR1_REGION_INDEX = 1;
export const VFIO_PCI_BAR2_REGION_INDEX = 2;
export const VFIO_PCI_BAR3_REGION_INDEX = 3;
export const VFIO_PCI_BAR4_REGION_INDEX = 4;
export const VFIO_PCI_BAR5_REGION_INDEX = 5;
export const VFIO_PCI_ROM_REGION_INDEX = 6;
export const VFIO_PCI_CONFIG_REGION_INDEX = 7;
export const VFIO_PCI_VGA_REGION_INDEX = 8;
export const VFIO_PCI_NUM_REGIONS = 9;

export const VFIO_PCI_INTX_IRQ_INDEX = 0;
export const VFIO_PCI_MSI_IRQ_INDEX = 1;
export const VFIO_PCI_MSIX_IRQ_INDEX = 2;
export const VFIO_PCI_ERR_IRQ_INDEX = 3;
export const VFIO_PCI_REQ_IRQ_INDEX = 4;

export const vfio_pci_dependent_device = ustruct('vfio_pci_dependent_device', {
  group_id: 'u32',
  segment: 'u16',
  bus: 'u8',
  devfn: 'u8',
});
export type vfio_pci_dependent_device = InstanceType<typeof vfio_pci_dependent_device>;
export const vfio_pci_hot_reset_info = ustruct('vfio_pci_hot_reset_info', {
  argsz: 'u32',
  flags: 'u32',
  count: 'u32',
});
export type vfio_pci_hot_reset_info = InstanceType<typeof vfio_pci_hot_reset_info>;
export const VFIO_DEVICE_GET_PCI_HOT_RESET_INFO = _IO(VFIO_TYPE, VFIO_BASE + 12);

export const vfio_pci_hot_reset = ustruct('vfio_pci_hot_reset', { argsz: 'u32', flags: 'u32', count: 'u32' });
export type vfio_pci_hot_reset = InstanceType<typeof vfio_pci_hot_reset>;
export const VFIO_DEVICE_PCI_HOT_RESET = _IO(VFIO_TYPE, VFIO_BASE + 13);

export const VFIO_DEVICE_QUERY_GFX_PLANE = _IO(VFIO_TYPE, VFIO_BASE + 14);
export const VFIO_DEVICE_GET_GFX_DMABUF = _IO(VFIO_TYPE, VFIO_BASE + 15);

export const vfio_device_ioeventfd = ustruct('vfio_device_ioeventfd', {
  argsz: 'u32',
  flags: 'u32',
  offset: 'u64n',
  data: 'u64',
  fd: 's32',
});
export type vfio_device_ioeventfd = InstanceType<typeof vfio_device_ioeventfd>;
export const VFIO_DEVICE_IOEVENTFD_8 = 1 << 0;
export const VFIO_DEVICE_IOEVENTFD_16 = 1 << 1;
export const VFIO_DEVICE_IOEVENTFD_32 = 1 << 2;
export const VFIO_DEVICE_IOEVENTFD_64 = 1 << 3;
export const VFIO_DEVICE_IOEVENTFD_SIZE_MASK = 0xf;
export const VFIO_DEVICE_IOEVENTFD = _IO(VFIO_TYPE, VFIO_BASE + 16);

export const vfio_device_feature = ustruct('vfio_device_feature', { argsz: 'u32', flags: 'u32' });
export type vfio_device_feature = InstanceType<typeof vfio_device_feature>;
/** Offset of the flexible data[] of struct vfio_device_feature. */
export const VFIO_DEVICE_FEATURE_DATA = 8;
export const VFIO_DEVICE_FEATURE_MASK = 0xffff;
export const VFIO_DEVICE_FEATURE_GET = 1 << 16;
export const VFIO_DEVICE_FEATURE_SET = 1 << 17;
export const VFIO_DEVICE_FEATURE_PROBE = 1 << 18;
export const VFIO_DEVICE_FEATURE = _IO(VFIO_TYPE, VFIO_BASE + 17);

export const VFIO_DEVICE_FEATURE_PCI_VF_TOKEN = 0;

export const vfio_device_feature_migration = ustruct('vfio_device_feature_migration', { flags: 'u64n' });
export type vfio_device_feature_migration = InstanceType<typeof vfio_device_feature_migration>;
export const VFIO_MIGRATION_STOP_COPY = 1 << 0;
export const VFIO_MIGRATION_P2P = 1 << 1;
export const VFIO_DEVICE_FEATURE_MIGRATION = 1;

export const vfio_device_feature_mig_state = ustruct('vfio_device_feature_mig_state', {
  device_state: 'u32',
  data_fd: 's32',
});
export type vfio_device_feature_mig_state = InstanceType<typeof vfio_device_feature_mig_state>;
export const VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE = 2;

/** enum vfio_device_mig_state */
export type vfio_device_mig_state = number;
export const VFIO_DEVICE_STATE_ERROR = 0;
export const VFIO_DEVICE_STATE_STOP = 1;
export const VFIO_DEVICE_STATE_RUNNING = 2;
export const VFIO_DEVICE_STATE_STOP_COPY = 3;
export const VFIO_DEVICE_STATE_RESUMING = 4;
export const VFIO_DEVICE_STATE_RUNNING_P2P = 5;

/* ---- the type1 IOMMU: declared where it is served ---- */
export {
  VFIO_TYPE1_IOMMU,
  VFIO_TYPE1v2_IOMMU,
  VFIO_DMA_CC_IOMMU,
  VFIO_TYPE1_NESTING_IOMMU,
  VFIO_UNMAP_ALL,
  VFIO_UPDATE_VADDR,
  VFIO_CHECK_EXTENSION,
  vfio_iommu_type1_info,
  VFIO_IOMMU_INFO_PGSIZES,
  VFIO_IOMMU_INFO_CAPS,
  VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE,
  vfio_iova_range,
  vfio_iommu_type1_info_cap_iova_range,
  VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION,
  vfio_iommu_type1_info_cap_migration,
  VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL,
  vfio_iommu_type1_info_dma_avail,
  VFIO_IOMMU_GET_INFO,
  vfio_iommu_type1_dma_map,
  VFIO_DMA_MAP_FLAG_READ,
  VFIO_DMA_MAP_FLAG_WRITE,
  VFIO_DMA_MAP_FLAG_VADDR,
  VFIO_IOMMU_MAP_DMA,
  vfio_bitmap,
  vfio_iommu_type1_dma_unmap,
  VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
  VFIO_DMA_UNMAP_FLAG_ALL,
  VFIO_DMA_UNMAP_FLAG_VADDR,
  VFIO_IOMMU_UNMAP_DMA,
  VFIO_IOMMU_ENABLE,
  VFIO_IOMMU_DISABLE,
  vfio_iommu_type1_dirty_bitmap,
  VFIO_IOMMU_DIRTY_PAGES_FLAG_START,
  VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP,
  VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
  VFIO_IOMMU_DIRTY_PAGES,
  vfio_iommu_type1_dirty_bitmap_get,
} from '@vfio-lab/iommu';
