// SPDX-License-Identifier: GPL-2.0-only
// drivers/vfio/vfio_iommu_type1.c (v5.19-rc4): the container back end for IOMMUs with one flat table, as user space and
// vfio.c see it.

import {
  access_ok,
  blocking_notifier_chain_register,
  blocking_notifier_chain_unregister,
  BLOCKING_INIT_NOTIFIER_HEAD,
  copy_from_user,
  copy_to_user,
  current_mm,
  EACCES,
  EFAULT,
  EINVAL,
  EIO,
  ENOMEM,
  ENOTTY,
  EPERM,
  ERR_PTR,
  access_process_vm,
  get_module,
  GFP_KERNEL,
  kfree,
  kzalloc,
  mmget_not_zero,
  mmput,
  offsetofend,
  PAGE_SIZE,
  pr_warn,
  sizeof,
  WARN_ON,
} from '@vfio-lab/kernel';
import type { Awaitable, err_ptr, module, notifier_block, user_ptr } from '@vfio-lab/kernel';
import { init_waitqueue_head, mutex_init, mutex_lock, mutex_unlock, wake_up_all } from '@vfio-lab/locking';
import type { int, Ref, u32 } from '@vfio-lab/sim';
import {
  iommu_attach_group,
  iommu_detach_group,
  iommu_domain_alloc,
  iommu_domain_free,
  iommu_enable_nesting,
  iommu_enforce_cache_coherency,
  iommu_get_group_resv_regions,
  IOMMU_READ,
  IOMMU_WRITE,
} from './domain.ts';
import { IOMMU_CAP_INTR_REMAP, iommu_capable, iommu_group_for_each_dev } from './group.ts';
import type { iommu_group } from './group.ts';
import {
  bitmap_set,
  DIRTY_BITMAP_SIZE_MAX,
  verify_bitmap_size,
  vfio_dma_bitmap_alloc_all,
  vfio_dma_bitmap_free_all,
  vfio_iommu_populate_bitmap_full,
  vfio_iova_dirty_bitmap,
} from './type1_bitmap.ts';
import {
  vfio_iommu_aper_conflict,
  vfio_iommu_aper_expand,
  vfio_iommu_aper_resize,
  vfio_iommu_iova_get_copy,
  vfio_iommu_resv_conflict,
  vfio_iommu_resv_exclude,
  vfio_iommu_resv_refresh,
} from './type1_iova.ts';
import {
  vfio_dma_do_map,
  vfio_dma_do_unmap,
  vfio_find_dma_valid,
  vfio_iommu_replay,
  vfio_iommu_unmap_unpin_all,
  vfio_iommu_unmap_unpin_reaccount,
} from './type1_map.ts';
import { vfio_pin_page_external, vfio_unpin_page_external } from './type1_pin.ts';
import {
  min_pgsize,
  PAGE_SHIFT_N,
  PAGE_SIZE_N,
  U64_MAX,
  vfio_domain,
  vfio_find_dma,
  vfio_iommu,
  vfio_iommu_group,
  vfio_iommu_type1_params,
} from './type1_state.ts';
import * as uapi from './uapi.ts';

/** enum vfio_group_type */
const VFIO_EMULATED_IOMMU = 1;
/** enum vfio_iommu_notify_type */
const VFIO_IOMMU_CONTAINER_CLOSE = 0;
const VFIO_IOMMU_NOTIFY_DMA_UNMAP = 1;

/** The table that vfio.c reaches a back end through. C: drivers/vfio/vfio.h struct vfio_iommu_driver_ops */
export interface type1_driver_ops {
  name: string;
  owner: module | null;
  open(arg: number): Awaitable<unknown>;
  release(iommu_data: unknown): Awaitable<void>;
  ioctl(iommu_data: unknown, cmd: u32, arg: user_ptr): Awaitable<number>;
  attach_group(iommu_data: unknown, group: iommu_group, type: int): Awaitable<int>;
  detach_group(iommu_data: unknown, group: iommu_group): Awaitable<void>;
  pin_pages(
    iommu_data: unknown,
    group: iommu_group,
    user_pfn: number[],
    npage: int,
    prot: int,
    phys_pfn: number[],
  ): Awaitable<int>;
  unpin_pages(iommu_data: unknown, user_pfn: number[], npage: int): Awaitable<int>;
  register_notifier(iommu_data: unknown, events: Ref<number>, nb: notifier_block): Awaitable<int>;
  unregister_notifier(iommu_data: unknown, nb: notifier_block): Awaitable<int>;
  dma_rw(
    iommu_data: unknown,
    user_iova: bigint,
    data: Uint8Array,
    count: number,
    write: boolean,
  ): Awaitable<int>;
  notify(iommu_data: unknown, event: int): Awaitable<void>;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_open() */
function vfio_iommu_type1_open(arg: number): vfio_iommu | err_ptr {
  const known = [uapi.VFIO_TYPE1_IOMMU, uapi.VFIO_TYPE1v2_IOMMU, uapi.VFIO_TYPE1_NESTING_IOMMU];
  const iommu = kzalloc(vfio_iommu, GFP_KERNEL);
  if (iommu === null) return ERR_PTR(-ENOMEM);
  if (!known.includes(arg)) {
    kfree(iommu);
    return ERR_PTR(-EINVAL);
  }
  iommu.nesting = arg === uapi.VFIO_TYPE1_NESTING_IOMMU;
  iommu.v2 = arg !== uapi.VFIO_TYPE1_IOMMU;
  iommu.dma_avail = vfio_iommu_type1_params().dma_entry_limit;
  iommu.container_open = true;
  mutex_init(iommu.lock, '&iommu->lock');
  BLOCKING_INIT_NOTIFIER_HEAD(iommu.notifier);
  init_waitqueue_head(iommu.vaddr_wait, '&iommu->vaddr_wait');
  iommu.pgsize_bitmap = U64_MAX & ~(PAGE_SIZE_N - 1n);
  return iommu;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_release() */
async function vfio_iommu_type1_release(iommu: vfio_iommu): Promise<void> {
  for (const group of iommu.emulated_iommu_groups.splice(0)) kfree(group);
  await vfio_iommu_unmap_unpin_all(iommu);
  for (const domain of iommu.domain_list.splice(0)) {
    for (const group of domain.group_list.splice(0)) {
      await iommu_detach_group(domain.domain, group.iommu_group);
      kfree(group);
    }
    iommu_domain_free(domain.domain);
    kfree(domain);
  }
  kfree(iommu);
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_find_iommu_group() */
function vfio_iommu_find_iommu_group(iommu: vfio_iommu, iommu_group: iommu_group): vfio_iommu_group | null {
  const groups = [...iommu.domain_list.flatMap((d) => d.group_list), ...iommu.emulated_iommu_groups];
  return groups.find((g) => g.iommu_group === iommu_group) ?? null;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_update_pgsize_bitmap() */
function vfio_update_pgsize_bitmap(iommu: vfio_iommu): void {
  iommu.pgsize_bitmap = U64_MAX;
  for (const { domain } of iommu.domain_list) iommu.pgsize_bitmap &= domain.pgsize_bitmap;
  if (iommu.pgsize_bitmap & (PAGE_SIZE_N - 1n)) {
    iommu.pgsize_bitmap = (iommu.pgsize_bitmap & ~(PAGE_SIZE_N - 1n)) | PAGE_SIZE_N;
  }
}

/**
 * A group comes into the container: it shares a domain that is there, or gets one of its own with all mappings.
 * @returns 0, -EINVAL when it is there already or its ranges conflict with mappings, -EIO without an IOMMU, -EPERM
 *   without interrupt remapping, -EBUSY, -ENOMEM, or what mapping said
 * C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_attach_group()
 */
async function vfio_iommu_type1_attach_group(
  iommu: vfio_iommu,
  iommu_group: iommu_group,
  type: int,
): Promise<int> {
  await mutex_lock(iommu.lock);
  const ret = await attach_locked(iommu, iommu_group, type);
  await mutex_unlock(iommu.lock);
  return ret;
}

async function attach_locked(iommu: vfio_iommu, iommu_group: iommu_group, type: int): Promise<int> {
  if (vfio_iommu_find_iommu_group(iommu, iommu_group)) return -EINVAL;
  const group = kzalloc(vfio_iommu_group, GFP_KERNEL);
  if (group === null) return -ENOMEM;
  group.iommu_group = iommu_group;
  if (type === VFIO_EMULATED_IOMMU) {
    iommu.emulated_iommu_groups.unshift(group);
    group.pinned_page_dirty_scope = true;
    return 0;
  }
  const domain = kzalloc(vfio_domain, GFP_KERNEL);
  const ret = domain === null ? -ENOMEM : await attach_physical(iommu, group, domain);
  if (ret) {
    kfree(domain);
    kfree(group);
  }
  return ret;
}

async function attach_physical(
  iommu: vfio_iommu,
  group: vfio_iommu_group,
  domain: vfio_domain,
): Promise<int> {
  const remap = { v: false };
  let ret = await iommu_group_for_each_dev(group.iommu_group, (dev) => {
    remap.v = iommu_capable(dev.bus, IOMMU_CAP_INTR_REMAP);
    return 0;
  });
  if (ret) return ret;
  const made = iommu_domain_alloc();
  if (made === null) return -EIO;
  domain.domain = made;
  if (iommu.nesting) ret = iommu_enable_nesting(made);
  if (!ret) ret = await iommu_attach_group(made, group.iommu_group);
  if (ret) {
    iommu_domain_free(made);
    return ret;
  }

  const { aperture_start, aperture_end } = made.geometry;
  const copy = vfio_iommu_iova_get_copy(iommu);
  const resv = await iommu_get_group_resv_regions(group.iommu_group);
  ret = 0;
  if (
    vfio_iommu_aper_conflict(iommu, aperture_start, aperture_end) ||
    vfio_iommu_resv_conflict(iommu, resv)
  ) {
    ret = -EINVAL;
  } else {
    vfio_iommu_aper_resize(copy, aperture_start, aperture_end);
    ret = vfio_iommu_resv_exclude(copy, resv);
  }
  if (!ret && !vfio_iommu_type1_params().allow_unsafe_interrupts && !remap.v) {
    pr_warn(
      'vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the module param "allow_unsafe_interrupts" to enable VFIO IOMMU support on this platform',
    );
    ret = -EPERM;
  }
  if (ret) return detach_new(domain, group, ret);

  domain.enforce_cache_coherency = iommu_enforce_cache_coherency(made);
  for (const d of iommu.domain_list) {
    if (d.enforce_cache_coherency !== domain.enforce_cache_coherency) continue;
    await iommu_detach_group(made, group.iommu_group);
    if (!(await iommu_attach_group(d.domain, group.iommu_group))) {
      d.group_list.unshift(group);
      iommu_domain_free(made);
      kfree(domain);
      iommu.iova_list = copy;
      iommu.num_non_pinned_groups++;
      return 0;
    }
    ret = await iommu_attach_group(made, group.iommu_group);
    if (ret) {
      iommu_domain_free(made);
      return ret;
    }
  }

  ret = await vfio_iommu_replay(iommu, made);
  if (ret) return detach_new(domain, group, ret);
  domain.group_list.unshift(group);
  iommu.domain_list.unshift(domain);
  vfio_update_pgsize_bitmap(iommu);
  iommu.iova_list = copy;
  iommu.num_non_pinned_groups++;
  return 0;
}

async function detach_new(domain: vfio_domain, group: vfio_iommu_group, ret: int): Promise<int> {
  await iommu_detach_group(domain.domain, group.iommu_group);
  iommu_domain_free(domain.domain);
  return ret;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_detach_group() */
async function vfio_iommu_type1_detach_group(iommu: vfio_iommu, iommu_group: iommu_group): Promise<void> {
  await mutex_lock(iommu.lock);
  const group = vfio_iommu_find_iommu_group(iommu, iommu_group);
  const update_dirty_scope = group !== null && !group.pinned_page_dirty_scope;
  const emulated = group === null ? -1 : iommu.emulated_iommu_groups.indexOf(group);
  if (emulated >= 0) {
    iommu.emulated_iommu_groups.splice(emulated, 1);
    if (iommu.emulated_iommu_groups.length === 0 && iommu.domain_list.length === 0) {
      WARN_ON(iommu.notifier.head, 'iommu->notifier.head');
      await vfio_iommu_unmap_unpin_all(iommu);
    }
  } else {
    const copy = vfio_iommu_iova_get_copy(iommu);
    const domain = iommu.domain_list.find((d) => group !== null && d.group_list.includes(group));
    if (domain && group) {
      await iommu_detach_group(domain.domain, group.iommu_group);
      domain.group_list.splice(domain.group_list.indexOf(group), 1);
      if (domain.group_list.length === 0) await drop_domain(iommu, domain, copy);
    }
    if (!(await vfio_iommu_resv_refresh(iommu, copy))) iommu.iova_list = copy;
  }
  if (update_dirty_scope) {
    iommu.num_non_pinned_groups--;
    if (iommu.dirty_page_tracking) vfio_iommu_populate_bitmap_full(iommu, min_pgsize(iommu));
  }
  kfree(group);
  await mutex_unlock(iommu.lock);
}

/** The last group of a domain is gone: so are the mappings with the last domain, unless drivers need them. */
async function drop_domain(
  iommu: vfio_iommu,
  domain: vfio_domain,
  copy: { start: bigint; end: bigint }[],
): Promise<void> {
  if (iommu.domain_list.length === 1) {
    if (iommu.emulated_iommu_groups.length === 0) {
      WARN_ON(iommu.notifier.head, 'iommu->notifier.head');
      await vfio_iommu_unmap_unpin_all(iommu);
    } else {
      await vfio_iommu_unmap_unpin_reaccount(iommu);
    }
  }
  // The table goes with the domain; what it mapped stays pinned for the others.
  domain.domain.mappings.length = 0;
  iommu_domain_free(domain.domain);
  iommu.domain_list.splice(iommu.domain_list.indexOf(domain), 1);
  kfree(domain);
  vfio_iommu_aper_expand(iommu, copy);
  vfio_update_pgsize_bitmap(iommu);
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_check_extension() */
async function vfio_iommu_type1_check_extension(iommu: vfio_iommu | null, arg: number): Promise<int> {
  switch (arg) {
    case uapi.VFIO_TYPE1_IOMMU:
    case uapi.VFIO_TYPE1v2_IOMMU:
    case uapi.VFIO_TYPE1_NESTING_IOMMU:
    case uapi.VFIO_UNMAP_ALL:
      return 1;
    case uapi.VFIO_UPDATE_VADDR:
      if (!vfio_iommu_type1_params().update_vaddr_needs_container) return 1;
      return iommu !== null && iommu.emulated_iommu_groups.length === 0 ? 1 : 0;
    case uapi.VFIO_DMA_CC_IOMMU: {
      if (iommu === null) return 0;
      await mutex_lock(iommu.lock);
      const all = iommu.domain_list.every((d) => d.enforce_cache_coherency);
      await mutex_unlock(iommu.lock);
      return all ? 1 : 0;
    }
    default:
      return 0;
  }
}

/** Capabilities behind struct vfio_iommu_type1_info, their `next` counted from its begin. */
function info_caps(iommu: vfio_iommu, base: number): Uint8Array {
  const mig = new uapi.vfio_iommu_type1_info_cap_migration();
  mig.id = uapi.VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION;
  mig.version = 1;
  mig.pgsize_bitmap = min_pgsize(iommu);
  mig.max_dirty_bitmap_size = DIRTY_BITMAP_SIZE_MAX;

  const avail = new uapi.vfio_iommu_type1_info_dma_avail();
  avail.id = uapi.VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL;
  avail.version = 1;
  avail.avail = iommu.dma_avail;

  const caps: Uint8Array[] = [mig.bytes, avail.bytes];
  if (iommu.iova_list.length > 0) {
    const head = sizeof(uapi.vfio_iommu_type1_info_cap_iova_range);
    const one = sizeof(uapi.vfio_iova_range);
    const bytes = new Uint8Array(head + one * iommu.iova_list.length);
    const cap = new uapi.vfio_iommu_type1_info_cap_iova_range(bytes);
    cap.id = uapi.VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
    cap.version = 1;
    cap.nr_iovas = iommu.iova_list.length;
    iommu.iova_list.forEach((iova, i) => {
      const range = new uapi.vfio_iova_range(bytes, head + one * i);
      range.start = iova.start;
      range.end = iova.end;
    });
    caps.push(bytes);
  }

  const buf = new Uint8Array(caps.reduce((sum, cap) => sum + cap.length, 0));
  let at = 0;
  caps.forEach((cap, i) => {
    buf.set(cap, at);
    const end = at + cap.length;
    if (i + 1 < caps.length) new uapi.vfio_iommu_type1_info_dma_avail(buf, at).next = base + end;
    at = end;
  });
  return buf;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_get_info() */
async function vfio_iommu_type1_get_info(iommu: vfio_iommu, arg: user_ptr): Promise<int> {
  const info = new uapi.vfio_iommu_type1_info();
  let minsz = offsetofend(uapi.vfio_iommu_type1_info, 'iova_pgsizes');
  const capsz = offsetofend(uapi.vfio_iommu_type1_info, 'cap_offset');
  if (copy_from_user(info, arg, minsz)) return -EFAULT;
  if (info.argsz < minsz) return -EINVAL;
  if (info.argsz >= capsz) minsz = capsz;

  await mutex_lock(iommu.lock);
  info.flags = uapi.VFIO_IOMMU_INFO_PGSIZES | uapi.VFIO_IOMMU_INFO_CAPS;
  info.iova_pgsizes = iommu.pgsize_bitmap;
  const size = sizeof(uapi.vfio_iommu_type1_info);
  const caps = info_caps(iommu, size);
  await mutex_unlock(iommu.lock);

  if (info.argsz < size + caps.length) {
    info.argsz = size + caps.length;
  } else {
    if (copy_to_user(arg + size, caps, caps.length)) return -EFAULT;
    info.cap_offset = size;
  }
  return copy_to_user(arg, info, minsz) ? -EFAULT : 0;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_map_dma() */
async function vfio_iommu_type1_map_dma(iommu: vfio_iommu, arg: user_ptr): Promise<int> {
  const map = new uapi.vfio_iommu_type1_dma_map();
  const mask = uapi.VFIO_DMA_MAP_FLAG_READ | uapi.VFIO_DMA_MAP_FLAG_WRITE | uapi.VFIO_DMA_MAP_FLAG_VADDR;
  const minsz = offsetofend(uapi.vfio_iommu_type1_dma_map, 'size');
  if (copy_from_user(map, arg, minsz)) return -EFAULT;
  if (map.argsz < minsz || map.flags & ~mask) return -EINVAL;
  return vfio_dma_do_map(iommu, map);
}

/** log2 of the lowest bit; 0 for 0, where the C is undefined. */
function __ffs(x: bigint): bigint {
  let n = 0n;
  while (x && !(x & (1n << n))) n++;
  return n;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_unmap_dma() */
async function vfio_iommu_type1_unmap_dma(iommu: vfio_iommu, arg: user_ptr): Promise<int> {
  const unmap = new uapi.vfio_iommu_type1_dma_unmap();
  const bitmap = new uapi.vfio_bitmap();
  const dirty = uapi.VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
  const exclusive = uapi.VFIO_DMA_UNMAP_FLAG_ALL | uapi.VFIO_DMA_UNMAP_FLAG_VADDR;
  const minsz = offsetofend(uapi.vfio_iommu_type1_dma_unmap, 'size');
  if (copy_from_user(unmap, arg, minsz)) return -EFAULT;
  if (unmap.argsz < minsz || unmap.flags & ~(dirty | exclusive)) return -EINVAL;
  if (unmap.flags & dirty) {
    if (unmap.flags & exclusive) return -EINVAL;
    if (unmap.argsz < minsz + sizeof(uapi.vfio_bitmap)) return -EINVAL;
    if (copy_from_user(bitmap, arg + minsz, sizeof(uapi.vfio_bitmap))) return -EFAULT;
    if (!access_ok(Number(bitmap.data), Number(bitmap.size))) return -EINVAL;
    const ret = verify_bitmap_size(unmap.size >> __ffs(bitmap.pgsize), bitmap.size);
    if (ret) return ret;
  }
  const ret = await vfio_dma_do_unmap(iommu, unmap, bitmap);
  if (ret) return ret;
  return copy_to_user(arg, unmap, minsz) ? -EFAULT : 0;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_dirty_pages() */
async function vfio_iommu_type1_dirty_pages(iommu: vfio_iommu, arg: user_ptr): Promise<int> {
  const dirty = new uapi.vfio_iommu_type1_dirty_bitmap();
  const start = uapi.VFIO_IOMMU_DIRTY_PAGES_FLAG_START;
  const stop = uapi.VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP;
  const get = uapi.VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
  if (!iommu.v2) return -EACCES;
  const minsz = offsetofend(uapi.vfio_iommu_type1_dirty_bitmap, 'flags');
  if (copy_from_user(dirty, arg, minsz)) return -EFAULT;
  if (dirty.argsz < minsz || dirty.flags & ~(start | stop | get)) return -EINVAL;
  if (dirty.flags & (dirty.flags - 1)) return -EINVAL;
  let ret = 0;
  if (dirty.flags & start) {
    await mutex_lock(iommu.lock);
    if (!iommu.dirty_page_tracking) {
      ret = vfio_dma_bitmap_alloc_all(iommu, min_pgsize(iommu));
      if (!ret) iommu.dirty_page_tracking = true;
    }
    await mutex_unlock(iommu.lock);
    return ret;
  }
  if (dirty.flags & stop) {
    await mutex_lock(iommu.lock);
    if (iommu.dirty_page_tracking) {
      iommu.dirty_page_tracking = false;
      vfio_dma_bitmap_free_all(iommu);
    }
    await mutex_unlock(iommu.lock);
    return 0;
  }
  if (!(dirty.flags & get)) return -EINVAL;

  const range = new uapi.vfio_iommu_type1_dirty_bitmap_get();
  const size = sizeof(uapi.vfio_iommu_type1_dirty_bitmap_get);
  if (dirty.argsz - minsz < size) return -EINVAL;
  if (copy_from_user(range, arg + minsz, size)) return -EFAULT;
  if (range.iova + range.size > U64_MAX) return -EINVAL;
  if (!access_ok(Number(range.data), Number(range.bitmap_size))) return -EINVAL;
  ret = verify_bitmap_size(range.size >> __ffs(range.pgsize), range.bitmap_size);
  if (ret) return ret;
  await mutex_lock(iommu.lock);
  const pgsize = min_pgsize(iommu);
  const odd = range.pgsize !== pgsize || (range.iova | range.size) & (pgsize - 1n) || !range.size;
  if (odd || !iommu.dirty_page_tracking) ret = -EINVAL;
  else ret = vfio_iova_dirty_bitmap(Number(range.data), iommu, range.iova, range.size, pgsize);
  await mutex_unlock(iommu.lock);
  return ret;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_ioctl() */
async function vfio_iommu_type1_ioctl(iommu: vfio_iommu | null, cmd: u32, arg: user_ptr): Promise<number> {
  if (cmd === uapi.VFIO_CHECK_EXTENSION) return vfio_iommu_type1_check_extension(iommu, arg);
  if (iommu === null) return -ENOTTY;
  switch (cmd) {
    case uapi.VFIO_IOMMU_GET_INFO:
      return vfio_iommu_type1_get_info(iommu, arg);
    case uapi.VFIO_IOMMU_MAP_DMA:
      return vfio_iommu_type1_map_dma(iommu, arg);
    case uapi.VFIO_IOMMU_UNMAP_DMA:
      return vfio_iommu_type1_unmap_dma(iommu, arg);
    case uapi.VFIO_IOMMU_DIRTY_PAGES:
      return vfio_iommu_type1_dirty_pages(iommu, arg);
    default:
      return -ENOTTY;
  }
}

/**
 * Pin pages of user space for a driver.
 * @param user_pfn device page numbers
 * @param phys_pfn where the frames go
 * @returns how many, or -EINVAL without a mapping or a notifier, -EACCES for v1, -EPERM, -ENODEV, -ENOMEM, -EFAULT
 * C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_pin_pages()
 */
async function vfio_iommu_type1_pin_pages(
  iommu: vfio_iommu,
  iommu_group: iommu_group,
  user_pfn: number[],
  npage: int,
  prot: int,
  phys_pfn: number[],
): Promise<int> {
  if (!iommu.v2) return -EACCES;
  await mutex_lock(iommu.lock);
  const ret = await pin_locked(iommu, iommu_group, user_pfn, npage, prot, phys_pfn);
  await mutex_unlock(iommu.lock);
  return ret;
}

async function pin_locked(
  iommu: vfio_iommu,
  iommu_group: iommu_group,
  user_pfn: number[],
  npage: int,
  prot: int,
  phys_pfn: number[],
): Promise<int> {
  for (let i = 0; iommu.vaddr_invalid_count && i < npage; i++) {
    const found = await vfio_find_dma_valid(iommu, BigInt(user_pfn[i]) << PAGE_SHIFT_N, PAGE_SIZE_N);
    if (typeof found === 'number') return found;
    if (found.waited) i = -1;
  }
  if (!iommu.notifier.head) return -EINVAL;
  const do_accounting = iommu.domain_list.length === 0;
  for (let i = 0; i < npage; i++) {
    const ret = await pin_one(iommu, BigInt(user_pfn[i]) << PAGE_SHIFT_N, prot, do_accounting);
    if (ret >= 0) {
      phys_pfn[i] = ret;
      continue;
    }
    phys_pfn[i] = 0;
    for (let j = 0; j < i; j++) {
      const iova = BigInt(user_pfn[j]) << PAGE_SHIFT_N;
      const dma = vfio_find_dma(iommu, iova, PAGE_SIZE_N);
      if (dma) await vfio_unpin_page_external(dma, iova, do_accounting);
      phys_pfn[j] = 0;
    }
    return ret;
  }
  const group = vfio_iommu_find_iommu_group(iommu, iommu_group);
  if (group && !group.pinned_page_dirty_scope) {
    group.pinned_page_dirty_scope = true;
    iommu.num_non_pinned_groups--;
  }
  return npage;
}

async function pin_one(iommu: vfio_iommu, iova: bigint, prot: int, do_accounting: boolean): Promise<int> {
  const dma = vfio_find_dma(iommu, iova, PAGE_SIZE_N);
  if (!dma) return -EINVAL;
  if ((dma.prot & prot) !== prot) return -EPERM;
  const known = dma.pfn_list.get(iova);
  if (known) {
    known.ref_count++;
    return known.pfn;
  }
  const pfn = await vfio_pin_page_external(dma, dma.vaddr + (iova - dma.iova), do_accounting);
  if (pfn < 0) return pfn;
  dma.pfn_list.set(iova, { iova, pfn, ref_count: 1 });
  if (dma.bitmap) bitmap_set(dma.bitmap, Number((iova - dma.iova) / min_pgsize(iommu)), 1);
  return pfn;
}

/** @returns how many, or -EINVAL for none. C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_unpin_pages() */
async function vfio_iommu_type1_unpin_pages(iommu: vfio_iommu, user_pfn: number[], npage: int): Promise<int> {
  if (npage <= 0) return -EINVAL;
  if (!iommu.v2) return -EACCES;
  await mutex_lock(iommu.lock);
  const do_accounting = iommu.domain_list.length === 0;
  let i = 0;
  for (; i < npage; i++) {
    const iova = BigInt(user_pfn[i]) << PAGE_SHIFT_N;
    const dma = vfio_find_dma(iommu, iova, PAGE_SIZE_N);
    if (!dma) break;
    await vfio_unpin_page_external(dma, iova, do_accounting);
  }
  await mutex_unlock(iommu.lock);
  return i > 0 ? i : -EINVAL;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_dma_rw_chunk() */
async function vfio_iommu_type1_dma_rw_chunk(
  iommu: vfio_iommu,
  user_iova: bigint,
  data: Uint8Array,
  write: boolean,
): Promise<{ ret: int; copied: number }> {
  const found = await vfio_find_dma_valid(iommu, user_iova, 1n);
  if (typeof found === 'number') return { ret: found, copied: 0 };
  const { dma } = found;
  if ((write && !(dma.prot & IOMMU_WRITE)) || !(dma.prot & IOMMU_READ)) return { ret: -EPERM, copied: 0 };
  const { mm } = dma;
  if (!(await mmget_not_zero(mm))) return { ret: -EPERM, copied: 0 };
  let copied = 0;
  const own = current_mm();
  if (own === null || own === mm) {
    const offset = user_iova - dma.iova;
    const room = dma.size - offset;
    const chunk = BigInt(data.length) > room ? data.subarray(0, Number(room)) : data;
    const done = access_process_vm(mm, Number(dma.vaddr + offset), chunk, write);
    copied = done === chunk.length ? done : 0;
    if (copied && write && dma.bitmap) {
      const page = BigInt(PAGE_SIZE);
      const first = Number(offset / page);
      bitmap_set(dma.bitmap, first, Number((offset + BigInt(copied) - 1n) / page) - first + 1);
    }
  }
  await mmput(mm);
  return { ret: copied ? 0 : -EFAULT, copied };
}

/** Access user memory as the device would. C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_dma_rw() */
async function vfio_iommu_type1_dma_rw(
  iommu: vfio_iommu,
  user_iova: bigint,
  data: Uint8Array,
  count: number,
  write: boolean,
): Promise<int> {
  let ret = 0;
  await mutex_lock(iommu.lock);
  for (let at = 0; at < count;) {
    const done = await vfio_iommu_type1_dma_rw_chunk(
      iommu,
      user_iova + BigInt(at),
      data.subarray(at, count),
      write,
    );
    ret = done.ret;
    if (ret) break;
    at += done.copied;
  }
  await mutex_unlock(iommu.lock);
  return ret;
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_notify() */
async function vfio_iommu_type1_notify(iommu: vfio_iommu, event: int): Promise<void> {
  if (event !== VFIO_IOMMU_CONTAINER_CLOSE) return;
  await mutex_lock(iommu.lock);
  iommu.container_open = false;
  await mutex_unlock(iommu.lock);
  await wake_up_all(iommu.vaddr_wait);
}

/** C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_type1_register_notifier() */
async function vfio_iommu_type1_register_notifier(
  iommu: vfio_iommu,
  events: Ref<number>,
  nb: notifier_block,
): Promise<int> {
  events.v &= ~VFIO_IOMMU_NOTIFY_DMA_UNMAP;
  if (events.v) return -EINVAL;
  return blocking_notifier_chain_register(iommu.notifier, nb);
}

const as_iommu = (data: unknown): vfio_iommu => data as vfio_iommu;

/**
 * The back end, to be given to vfio_register_iommu_driver(): a fresh table that belongs to the running machine.
 * C: drivers/vfio/vfio_iommu_type1.c vfio_iommu_driver_ops_type1
 */
export function vfio_iommu_driver_ops_type1(): type1_driver_ops {
  return {
    name: 'vfio-iommu-type1',
    owner: get_module('vfio_iommu_type1'),
    open: (arg) => vfio_iommu_type1_open(arg),
    release: (data) => vfio_iommu_type1_release(as_iommu(data)),
    ioctl: (data, cmd, arg) => vfio_iommu_type1_ioctl(data instanceof vfio_iommu ? data : null, cmd, arg),
    attach_group: (data, group, type) => vfio_iommu_type1_attach_group(as_iommu(data), group, type),
    detach_group: (data, group) => vfio_iommu_type1_detach_group(as_iommu(data), group),
    pin_pages: (data, group, user_pfn, npage, prot, phys_pfn) =>
      vfio_iommu_type1_pin_pages(as_iommu(data), group, user_pfn, npage, prot, phys_pfn),
    unpin_pages: (data, user_pfn, npage) => vfio_iommu_type1_unpin_pages(as_iommu(data), user_pfn, npage),
    register_notifier: (data, events, nb) => vfio_iommu_type1_register_notifier(as_iommu(data), events, nb),
    unregister_notifier: (data, nb) => blocking_notifier_chain_unregister(as_iommu(data).notifier, nb),
    dma_rw: (data, iova, buf, count, write) =>
      vfio_iommu_type1_dma_rw(as_iommu(data), iova, buf, count, write),
    notify: (data, event) => vfio_iommu_type1_notify(as_iommu(data), event),
  };
}
