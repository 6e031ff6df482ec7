// SPDX-License-Identifier: GPL-2.0-only
// drivers/vfio/vfio_iommu_type1.c (v5.19-rc4): the list of ranges that may be mapped, which shrinks with every group
// that comes in and is made anew when one leaves.

import { EINVAL } from '@vfio-lab/kernel';
import type { int } from '@vfio-lab/sim';
import { iommu_get_group_resv_regions } from './domain.ts';
import { IOMMU_RESV_DIRECT_RELAXABLE } from './state.ts';
import type { iommu_resv_region } from './state.ts';
import { U64_MAX, vfio_find_dma } from './type1_state.ts';
import type { vfio_iommu, vfio_iova } from './type1_state.ts';

/** Would a new aperture cut off existing mappings or the whole list. C: vfio_iommu_aper_conflict() */
export function vfio_iommu_aper_conflict(iommu: vfio_iommu, start: bigint, end: bigint): boolean {
  const first = iommu.iova_list.at(0);
  const last = iommu.iova_list.at(-1);
  if (!first || !last) return false;
  if (start > last.end || end < first.start) return true;
  if (start > first.start && vfio_find_dma(iommu, first.start, start - first.start)) return true;
  return end < last.end && vfio_find_dma(iommu, end + 1n, last.end - end) !== null;
}

/** Cut the list to an aperture that does not conflict. C: vfio_iommu_aper_resize() */
export function vfio_iommu_aper_resize(list: vfio_iova[], start: bigint, end: bigint): void {
  if (list.length === 0) {
    list.push({ start, end });
    return;
  }
  for (const node of [...list]) {
    if (start < node.start) break;
    if (start < node.end) {
      node.start = start;
      break;
    }
    list.splice(list.indexOf(node), 1);
  }
  for (const node of [...list]) {
    if (end > node.end) continue;
    if (end > node.start) node.end = end;
    else list.splice(list.indexOf(node), 1);
  }
}

/** Are reserved ranges mapped already. C: vfio_iommu_resv_conflict() */
export function vfio_iommu_resv_conflict(iommu: vfio_iommu, regions: readonly iommu_resv_region[]): boolean {
  return regions.some(
    (r) => r.type !== IOMMU_RESV_DIRECT_RELAXABLE && vfio_find_dma(iommu, r.start, r.length) !== null,
  );
}

/** Cut reserved ranges out. @returns 0, or -EINVAL when nothing is left. C: vfio_iommu_resv_exclude() */
export function vfio_iommu_resv_exclude(list: vfio_iova[], regions: readonly iommu_resv_region[]): int {
  for (const resv of regions) {
    if (resv.type === IOMMU_RESV_DIRECT_RELAXABLE) continue;
    const { start } = resv;
    const end = resv.start + resv.length - 1n;
    for (const n of [...list]) {
      if (start > n.end || end < n.start) continue;
      const parts: vfio_iova[] = [];
      if (start > n.start) parts.push({ start: n.start, end: start - 1n });
      if (end < n.end) parts.push({ start: end + 1n, end: n.end });
      list.splice(list.indexOf(n), 1, ...parts);
    }
  }
  return list.length === 0 ? -EINVAL : 0;
}

/** C: vfio_iommu_iova_get_copy() */
export function vfio_iommu_iova_get_copy(iommu: vfio_iommu): vfio_iova[] {
  return iommu.iova_list.map((n) => ({ ...n }));
}

/** May this range be mapped; without a list everything may. C: vfio_iommu_iova_dma_valid() */
export function vfio_iommu_iova_dma_valid(iommu: vfio_iommu, start: bigint, end: bigint): boolean {
  return iommu.iova_list.length === 0 || iommu.iova_list.some((n) => start >= n.start && end <= n.end);
}

/** A domain is gone: the aperture is what the others allow. C: vfio_iommu_aper_expand() */
export function vfio_iommu_aper_expand(iommu: vfio_iommu, copy: vfio_iova[]): void {
  const first = copy.at(0);
  const last = copy.at(-1);
  if (!first || !last) return;
  let start = 0n;
  let end = U64_MAX;
  for (const { domain } of iommu.domain_list) {
    if (domain.geometry.aperture_start > start) start = domain.geometry.aperture_start;
    if (domain.geometry.aperture_end < end) end = domain.geometry.aperture_end;
  }
  first.start = start;
  last.end = end;
}

/** Make the list anew from the groups that are left. @returns 0 or -EINVAL. C: vfio_iommu_resv_refresh() */
export async function vfio_iommu_resv_refresh(iommu: vfio_iommu, copy: vfio_iova[]): Promise<int> {
  const first = copy.at(0);
  const last = copy.at(-1);
  if (!first || !last) return -EINVAL;
  const regions: iommu_resv_region[] = [];
  for (const d of iommu.domain_list) {
    for (const g of d.group_list) regions.push(...(await iommu_get_group_resv_regions(g.iommu_group)));
  }
  const { start } = first;
  const { end } = last;
  copy.length = 0;
  vfio_iommu_aper_resize(copy, start, end);
  return vfio_iommu_resv_exclude(copy, regions);
}
