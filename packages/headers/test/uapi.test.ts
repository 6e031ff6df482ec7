// SPDX-License-Identifier: GPL-2.0-only
/* The numbers and layouts that user space has compiled in, as a C compiler for x86-64 gives them. */
import { describe, expect, it } from 'vitest';
import { offsetofend, sizeof } from '@vfio-lab/kernel';
import * as uapi from '../src/uapi/vfio.ts';

describe('ioctl numbers', () => {
  it.each([
    ['VFIO_GET_API_VERSION', uapi.VFIO_GET_API_VERSION, 0x3b64],
    ['VFIO_CHECK_EXTENSION', uapi.VFIO_CHECK_EXTENSION, 0x3b65],
    ['VFIO_SET_IOMMU', uapi.VFIO_SET_IOMMU, 0x3b66],
    ['VFIO_GROUP_GET_STATUS', uapi.VFIO_GROUP_GET_STATUS, 0x3b67],
    ['VFIO_GROUP_SET_CONTAINER', uapi.VFIO_GROUP_SET_CONTAINER, 0x3b68],
    ['VFIO_GROUP_UNSET_CONTAINER', uapi.VFIO_GROUP_UNSET_CONTAINER, 0x3b69],
    ['VFIO_GROUP_GET_DEVICE_FD', uapi.VFIO_GROUP_GET_DEVICE_FD, 0x3b6a],
    ['VFIO_DEVICE_GET_INFO', uapi.VFIO_DEVICE_GET_INFO, 0x3b6b],
    ['VFIO_DEVICE_GET_REGION_INFO', uapi.VFIO_DEVICE_GET_REGION_INFO, 0x3b6c],
    ['VFIO_DEVICE_GET_IRQ_INFO', uapi.VFIO_DEVICE_GET_IRQ_INFO, 0x3b6d],
    ['VFIO_DEVICE_SET_IRQS', uapi.VFIO_DEVICE_SET_IRQS, 0x3b6e],
    ['VFIO_DEVICE_RESET', uapi.VFIO_DEVICE_RESET, 0x3b6f],
    ['VFIO_DEVICE_GET_PCI_HOT_RESET_INFO', uapi.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, 0x3b70],
    ['VFIO_DEVICE_PCI_HOT_RESET', uapi.VFIO_DEVICE_PCI_HOT_RESET, 0x3b71],
    ['VFIO_DEVICE_IOEVENTFD', uapi.VFIO_DEVICE_IOEVENTFD, 0x3b74],
    ['VFIO_DEVICE_FEATURE', uapi.VFIO_DEVICE_FEATURE, 0x3b75],
    ['VFIO_IOMMU_GET_INFO', uapi.VFIO_IOMMU_GET_INFO, 0x3b70],
    ['VFIO_IOMMU_MAP_DMA', uapi.VFIO_IOMMU_MAP_DMA, 0x3b71],
    ['VFIO_IOMMU_UNMAP_DMA', uapi.VFIO_IOMMU_UNMAP_DMA, 0x3b72],
    ['VFIO_IOMMU_ENABLE', uapi.VFIO_IOMMU_ENABLE, 0x3b73],
    ['VFIO_IOMMU_DISABLE', uapi.VFIO_IOMMU_DISABLE, 0x3b74],
    ['VFIO_IOMMU_DIRTY_PAGES', uapi.VFIO_IOMMU_DIRTY_PAGES, 0x3b75],
  ])('should have %s', (_, ours, number) => {
    expect(ours).toBe(number);
  });
});

describe('struct layouts', () => {
  it.each([
    [uapi.vfio_info_cap_header, 8],
    [uapi.vfio_group_status, 8],
    [uapi.vfio_device_info, 20],
    [uapi.vfio_region_info, 32],
    [uapi.vfio_region_sparse_mmap_area, 16],
    [uapi.vfio_region_info_cap_sparse_mmap, 16],
    [uapi.vfio_region_info_cap_type, 16],
    [uapi.vfio_irq_info, 16],
    [uapi.vfio_irq_set, 20],
    [uapi.vfio_pci_dependent_device, 8],
    [uapi.vfio_pci_hot_reset_info, 12],
    [uapi.vfio_pci_hot_reset, 12],
    [uapi.vfio_device_ioeventfd, 32],
    [uapi.vfio_device_feature, 8],
    [uapi.vfio_device_feature_migration, 8],
    [uapi.vfio_device_feature_mig_state, 8],
    [uapi.vfio_iommu_type1_info, 24],
    [uapi.vfio_iommu_type1_dma_map, 32],
    [uapi.vfio_iommu_type1_dma_unmap, 24],
    [uapi.vfio_iommu_type1_dirty_bitmap, 8],
  ])('should give %o its size', (struct, size) => {
    expect(sizeof(struct)).toBe(size);
  });

  it('should end members where argsz checks look', () => {
    expect(offsetofend(uapi.vfio_device_info, 'num_irqs')).toBe(16);
    expect(offsetofend(uapi.vfio_region_info, 'offset')).toBe(32);
    expect(offsetofend(uapi.vfio_irq_set, 'count')).toBe(20);
    expect(offsetofend(uapi.vfio_device_ioeventfd, 'fd')).toBe(28);
    expect(offsetofend(uapi.vfio_iommu_type1_info, 'iova_pgsizes')).toBe(16);
  });

  it('should have room for every region offset in a number', () => {
    const info = new uapi.vfio_region_info();
    info.offset = uapi.VFIO_PCI_VGA_REGION_INDEX * 2 ** 40;
    expect(new DataView(info.bytes.buffer).getBigUint64(24, true)).toBe(8n << 40n);
    expect(info.offset).toBe(8 * 2 ** 40);
  });
});
