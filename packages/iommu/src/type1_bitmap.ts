// SPDX-License-Identifier: GPL-2.0-only
// drivers/vfio/vfio_iommu_type1.c (v5.19-rc4): dirty page bitmaps, one bit a page of the smallest size.

import {
  copy_from_user,
  copy_to_user,
  EFAULT,
  EINVAL,
  ENOMEM,
  GFP_KERNEL,
  kfree,
  kzalloc_bytes,
} from '@vfio-lab/kernel';
import type { user_ptr } from '@vfio-lab/kernel';
import type { int } from '@vfio-lab/sim';
import { vfio_find_dma } from './type1_state.ts';
import type { vfio_dma, vfio_iommu } from './type1_state.ts';

const DIRTY_BITMAP_PAGES_MAX = 0x7fffffffn;

/** Bytes of a bitmap of n bits, in whole u64s. */
export function DIRTY_BITMAP_BYTES(n: bigint): bigint {
  return ((n + 63n) & ~63n) / 8n;
}

export const DIRTY_BITMAP_SIZE_MAX = DIRTY_BITMAP_BYTES(DIRTY_BITMAP_PAGES_MAX);

/** C: lib/bitmap.c bitmap_set() */
export function bitmap_set(map: Uint8Array, first: number, n: number): void {
  for (let bit = first; bit < first + n; bit++) {
    if (bit % 8 === 0 && bit + 8 <= first + n) {
      map[bit / 8] = 0xff;
      bit += 7;
    } else {
      map[bit >> 3] |= 1 << (bit & 7);
    }
  }
}

function test_bit(map: Uint8Array, bit: number): boolean {
  return ((map[bit >> 3] >> (bit & 7)) & 1) === 1;
}

/** @returns 0, -EINVAL for a mapping too large to track, -ENOMEM. C: vfio_dma_bitmap_alloc() */
export function vfio_dma_bitmap_alloc(dma: vfio_dma, pgsize: bigint): int {
  const npages = dma.size / pgsize;
  if (npages > DIRTY_BITMAP_PAGES_MAX) return -EINVAL;
  dma.bitmap = kzalloc_bytes(Number(DIRTY_BITMAP_BYTES(npages)) + 8, GFP_KERNEL);
  return dma.bitmap === null ? -ENOMEM : 0;
}

/** C: vfio_dma_bitmap_free() */
export function vfio_dma_bitmap_free(dma: vfio_dma): void {
  kfree(dma.bitmap);
  dma.bitmap = null;
}

/** Pages pinned by drivers count as dirty. C: vfio_dma_populate_bitmap() */
function vfio_dma_populate_bitmap(dma: vfio_dma, pgsize: bigint): void {
  if (!dma.bitmap) return;
  for (const iova of dma.pfn_list.keys()) bitmap_set(dma.bitmap, Number((iova - dma.iova) / pgsize), 1);
}

/** C: vfio_iommu_populate_bitmap_full() */
export function vfio_iommu_populate_bitmap_full(iommu: vfio_iommu, pgsize: bigint): void {
  for (const dma of iommu.dma_list) if (dma.bitmap) bitmap_set(dma.bitmap, 0, Number(dma.size / pgsize));
}

/** C: vfio_dma_bitmap_alloc_all() */
export function vfio_dma_bitmap_alloc_all(iommu: vfio_iommu, pgsize: bigint): int {
  for (const [i, dma] of iommu.dma_list.entries()) {
    const ret = vfio_dma_bitmap_alloc(dma, pgsize);
    if (ret) {
      for (const done of iommu.dma_list.slice(0, i)) vfio_dma_bitmap_free(done);
      return ret;
    }
    vfio_dma_populate_bitmap(dma, pgsize);
  }
  return 0;
}

/** C: vfio_dma_bitmap_free_all() */
export function vfio_dma_bitmap_free_all(iommu: vfio_iommu): void {
  for (const dma of iommu.dma_list) vfio_dma_bitmap_free(dma);
}

/**
 * Write the bits of one mapping into user space's bitmap, which begins at `base_iova`. Bits of its first u64 that
 * belong to earlier mappings are kept.
 * @returns 0 or -EFAULT
 * C: drivers/vfio/vfio_iommu_type1.c update_user_bitmap()
 */
export function update_user_bitmap(
  bitmap: user_ptr,
  iommu: vfio_iommu,
  dma: vfio_dma,
  base_iova: bigint,
  pgsize: bigint,
): int {
  const { bitmap: bits } = dma;
  if (!bits) return 0;
  const nbits = Number(dma.size / pgsize);
  const bit_offset = Number((dma.iova - base_iova) / pgsize);
  const at = bitmap + Math.floor(bit_offset / 64) * 8;
  const shift = bit_offset % 64;
  if (iommu.num_non_pinned_groups && dma.iommu_mapped) bitmap_set(bits, 0, nbits);
  let out = bits;
  if (shift) {
    const leftover = new Uint8Array(8);
    if (copy_from_user(leftover, at, 8)) return -EFAULT;
    out = new Uint8Array(bits.length);
    for (let i = 0; i < nbits; i++) if (test_bit(bits, i)) bitmap_set(out, i + shift, 1);
    for (let i = 0; i < shift; i++) if (test_bit(leftover, i)) bitmap_set(out, i, 1);
  }
  const bytes = Number(DIRTY_BITMAP_BYTES(BigInt(nbits + shift)));
  return copy_to_user(at, out, bytes) ? -EFAULT : 0;
}

/**
 * Bitmap of a range that must not cut a mapping in two; then tracking starts over.
 * @returns 0, -EINVAL, -EFAULT
 * C: drivers/vfio/vfio_iommu_type1.c vfio_iova_dirty_bitmap()
 */
export function vfio_iova_dirty_bitmap(
  bitmap: user_ptr,
  iommu: vfio_iommu,
  iova: bigint,
  size: bigint,
  pgsize: bigint,
): int {
  let dma = vfio_find_dma(iommu, iova, 1n);
  if (dma && dma.iova !== iova) return -EINVAL;
  dma = vfio_find_dma(iommu, iova + size - 1n, 0n);
  if (dma && dma.iova + dma.size !== iova + size) return -EINVAL;
  for (const each of iommu.dma_list) {
    if (each.iova < iova) continue;
    if (each.iova > iova + size - 1n) break;
    const ret = update_user_bitmap(bitmap, iommu, each, iova, pgsize);
    if (ret) return ret;
    each.bitmap?.fill(0);
    vfio_dma_populate_bitmap(each, pgsize);
  }
  return 0;
}

/** C: drivers/vfio/vfio_iommu_type1.c verify_bitmap_size() */
export function verify_bitmap_size(npages: bigint, bitmap_size: bigint): int {
  const bad =
    !npages ||
    !bitmap_size ||
    bitmap_size > DIRTY_BITMAP_SIZE_MAX ||
    bitmap_size < DIRTY_BITMAP_BYTES(npages);
  return bad ? -EINVAL : 0;
}
