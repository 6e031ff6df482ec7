// SPDX-License-Identifier: GPL-2.0-only
// drivers/vfio/pci/vfio_pci_core.c, v5.19-rc4, with CONFIG_VFIO_PCI_VGA, _INTX and _MMAP (x86).

import type { int, Ref, u16, u32 } from '@vfio-lab/sim';
import { ref } from '@vfio-lab/sim';
import {
  down_read,
  down_write,
  down_write_trylock,
  init_rwsem,
  lockdep_assert_held,
  mutex,
  mutex_destroy,
  mutex_init,
  mutex_lock,
  mutex_trylock,
  mutex_unlock,
  spin_lock_init,
  up_read,
  up_write,
} from '@vfio-lab/locking';
import type {
  device,
  file,
  mm_struct,
  notifier_block,
  user_ptr,
  vm_area_struct,
  vm_fault,
} from '@vfio-lab/kernel';
import {
  array_index_nospec,
  BUS_NOTIFY_ADD_DEVICE,
  BUS_NOTIFY_BOUND_DRIVER,
  bus_register_notifier,
  bus_unregister_notifier,
  container_of,
  copy_from_user,
  copy_to_user,
  dev_get_drvdata,
  device_lock_assert,
  EACCES,
  EAGAIN,
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  ENODEV,
  ENOMEM,
  ENOSPC,
  ENOTTY,
  EPERM,
  eventfd_ctx_put,
  eventfd_signal,
  fget,
  field_ref,
  fput,
  GFP_KERNEL,
  hweight8,
  INIT_LIST_HEAD,
  io_remap_pfn_range,
  IS_ENABLED,
  IS_ERR,
  kcalloc,
  kfree,
  krealloc,
  kzalloc,
  kzalloc_bytes,
  list_add,
  list_add_tail,
  list_del,
  list_del_init,
  list_empty,
  list_first_entry,
  list_for_each_entry,
  list_for_each_entry_continue_reverse,
  list_for_each_entry_safe,
  list_head,
  memdup_user,
  mmap_read_lock,
  mmap_read_trylock,
  mmap_read_unlock,
  mmget_not_zero,
  mmput,
  offsetofend,
  PAGE_ALIGN,
  PAGE_SHIFT,
  PAGE_SIZE,
  pci_dbg,
  pci_info,
  pci_info_ratelimited,
  pci_notice_ratelimited,
  pci_warn,
  pgprot_noncached,
  PTR_ERR,
  sizeof,
  strlen,
  strncmp,
  uuid_copy,
  uuid_equal,
  uuid_gen,
  uuid_parse,
  UUID_SIZE,
  UUID_STRING_LEN,
  uuid_t,
  VM_DONTDUMP,
  VM_DONTEXPAND,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  VM_IO,
  VM_PFNMAP,
  VM_SHARED,
  WARN_ON,
  zap_vma_ptes,
} from '@vfio-lab/kernel';
import {
  pm_runtime_allow,
  pm_runtime_forbid,
  pm_runtime_get_noresume,
  pm_runtime_put,
  pm_runtime_resume_and_get,
} from '@vfio-lab/runtime-pm';
import type { pci_dev, pci_slot, resource } from '@vfio-lab/pci';
import {
  __pci_reset_function_locked,
  IORESOURCE_MEM,
  IORESOURCE_ROM_SHADOW,
  pci_bus_max_busnr,
  pci_bus_type,
  PCI_CLASS_DISPLAY_VGA,
  pci_clear_master,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_MEMORY,
  PCI_D0,
  PCI_D3hot,
  pci_dev_driver,
  pci_dev_put,
  pci_dev_trylock,
  pci_dev_unlock,
  pci_disable_device,
  pci_disable_sriov,
  pci_domain_nr,
  pci_enable_device,
  pci_enable_sriov,
  PCI_ERS_RESULT_CAN_RECOVER,
  pci_get_class,
  PCI_HEADER_TYPE_NORMAL,
  PCI_INTERRUPT_PIN,
  pci_intx,
  pci_intx_mask_supported,
  pci_iomap,
  pci_iounmap,
  pci_is_pcie,
  pci_is_root_bus,
  pci_load_and_free_saved_state,
  pci_map_rom,
  PCI_MSI_FLAGS,
  PCI_MSI_FLAGS_QMASK,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_QSIZE,
  PCI_MSIX_TABLE,
  PCI_MSIX_TABLE_BIR,
  PCI_MSIX_TABLE_OFFSET,
  pci_name,
  pci_num_vf,
  pci_physfn,
  PCI_PM_CTRL,
  PCI_PM_CTRL_NO_SOFT_RESET,
  pci_probe_reset_bus,
  pci_probe_reset_slot,
  pci_read_config_byte,
  pci_read_config_dword,
  pci_read_config_word,
  pci_release_selected_regions,
  pci_request_selected_regions,
  pci_reset_bus,
  pci_resource_len,
  pci_resource_start,
  pci_restore_state,
  PCI_ROM_RESOURCE,
  pci_save_state,
  pci_set_power_state,
  PCI_STD_NUM_BARS,
  PCI_STD_RESOURCES,
  pci_store_saved_state,
  pci_try_reset_function,
  pci_unmap_rom,
  PCI_VENDOR_ID_INTEL,
  pci_walk_bus,
  pci_write_config_word,
  release_resource,
  request_resource,
  resource_size,
  to_pci_dev,
  vga_client_register,
  vga_client_unregister,
  VGA_RSRC_LEGACY_IO,
  VGA_RSRC_LEGACY_MEM,
  VGA_RSRC_NORMAL_IO,
  VGA_RSRC_NORMAL_MEM,
  vga_set_legacy_decoding,
} from '@vfio-lab/pci';
import { iommu_group_get, iommu_group_id, iommu_group_put } from '@vfio-lab/iommu';
import type {
  Kernel,
  vfio_device,
  vfio_device_ops,
  vfio_device_set,
  vfio_pci_core_device,
  vfio_pci_fill_info,
  vfio_pci_group_info,
  vfio_pci_regops,
  vfio_pci_walk_fn,
  vfio_pci_walk_info,
} from '@vfio-lab/headers';
import {
  vfio_check_feature,
  VFIO_DEVICE_FEATURE_MASK,
  VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
  VFIO_DEVICE_FEATURE_SET,
  VFIO_DEVICE_FLAGS_CAPS,
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_GET_IRQ_INFO,
  VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
  VFIO_DEVICE_GET_REGION_INFO,
  vfio_device_info,
  vfio_device_ioeventfd,
  VFIO_DEVICE_IOEVENTFD,
  VFIO_DEVICE_IOEVENTFD_SIZE_MASK,
  VFIO_DEVICE_PCI_HOT_RESET,
  VFIO_DEVICE_RESET,
  VFIO_DEVICE_SET_IRQS,
  vfio_info_cap,
  vfio_info_cap_header,
  vfio_iommu_type1_info,
  vfio_irq_info,
  VFIO_IRQ_INFO_AUTOMASKED,
  VFIO_IRQ_INFO_EVENTFD,
  VFIO_IRQ_INFO_MASKABLE,
  VFIO_IRQ_INFO_NORESIZE,
  vfio_irq_set,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_PCI_BAR1_REGION_INDEX,
  VFIO_PCI_BAR2_REGION_INDEX,
  VFIO_PCI_BAR3_REGION_INDEX,
  VFIO_PCI_BAR4_REGION_INDEX,
  VFIO_PCI_BAR5_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  vfio_pci_dependent_device,
  vfio_pci_dummy_resource,
  VFIO_PCI_ERR_IRQ_INDEX,
  vfio_pci_hot_reset,
  vfio_pci_hot_reset_info,
  VFIO_PCI_INDEX_TO_OFFSET,
  vfio_pci_info_zdev_add_caps,
  VFIO_PCI_INTX_IRQ_INDEX,
  vfio_pci_is_vga,
  vfio_pci_mmap_vma,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_OFFSET_SHIFT,
  VFIO_PCI_OFFSET_TO_INDEX,
  vfio_pci_region,
  VFIO_PCI_REQ_IRQ_INDEX,
  VFIO_PCI_ROM_REGION_INDEX,
  vfio_pci_vf_token,
  VFIO_PCI_VGA_REGION_INDEX,
  vfio_region_info,
  VFIO_REGION_INFO_CAP_MSIX_MAPPABLE,
  vfio_region_info_cap_type,
  VFIO_REGION_INFO_CAP_TYPE,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
  vfio_spapr_pci_eeh_open,
  vfio_spapr_pci_eeh_release,
} from '@vfio-lab/headers';
import { array_bytes } from './array_bytes.ts';

const CONFIG_VFIO_PCI_INTX: boolean = true;
const CONFIG_VFIO_PCI_MMAP: boolean = true;

/** The file-scope data of vfio_pci_core.c for one image; function pointers lead back into that image. */
export function statics(k: Kernel): Partial<Kernel> {
  const vfio_pci_sriov_pfs_mutex = new mutex();
  mutex_init(vfio_pci_sriov_pfs_mutex, 'vfio_pci_sriov_pfs_mutex');
  return {
    nointxmask: false,
    disable_vga: false,
    disable_idle_d3: false,
    vfio_pci_sriov_pfs_mutex,
    vfio_pci_sriov_pfs: new list_head<vfio_pci_core_device>(),
    // Without pm ops the PCI bus would not suspend the device at runtime; the callbacks may be missing.
    vfio_pci_core_pm_ops: {},
    vfio_pci_mmap_ops: {
      open: (vma) => k.vfio_pci_mmap_open(vma),
      close: (vma) => k.vfio_pci_mmap_close(vma),
      fault: (vmf) => k.vfio_pci_mmap_fault(vmf),
    },
    vfio_pci_core_err_handlers: {
      error_detected: (pdev, state) => k.vfio_pci_core_aer_err_detected(pdev, state),
    },
    VFIO_PCI_NUM_IRQS: VFIO_PCI_REQ_IRQ_INDEX + 1,
  };
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_vga_disabled() */
export function vfio_vga_disabled(this: Kernel): boolean {
  return this.CONFIG_VFIO_PCI_VGA ? this.disable_vga : true;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_set_decode() */
export async function vfio_pci_set_decode(this: Kernel, pdev: pci_dev, single_vga: boolean): Promise<u32> {
  let tmp: pci_dev | null = null;

  if (single_vga || !this.vfio_vga_disabled() || pci_is_root_bus(pdev.bus))
    return VGA_RSRC_NORMAL_IO | VGA_RSRC_NORMAL_MEM | VGA_RSRC_LEGACY_IO | VGA_RSRC_LEGACY_MEM;

  const max_busnr = pci_bus_max_busnr(pdev.bus);
  let decodes = VGA_RSRC_NORMAL_IO | VGA_RSRC_NORMAL_MEM;

  while ((tmp = await pci_get_class(PCI_CLASS_DISPLAY_VGA << 8, tmp)) !== null) {
    if (tmp === pdev || pci_domain_nr(tmp.bus) !== pci_domain_nr(pdev.bus) || pci_is_root_bus(tmp.bus))
      continue;

    if (tmp.bus.number >= pdev.bus.number && tmp.bus.number <= max_busnr) {
      await pci_dev_put(tmp);
      decodes |= VGA_RSRC_LEGACY_IO | VGA_RSRC_LEGACY_MEM;
      break;
    }
  }

  return decodes;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_probe_mmaps() */
export function vfio_pci_probe_mmaps(this: Kernel, vdev: vfio_pci_core_device): void {
  for (let i = 0; i < PCI_STD_NUM_BARS; i++) {
    const bar = i + PCI_STD_RESOURCES;
    const res = vdev.pdev.resource[bar];

    no_mmap: {
      if (!IS_ENABLED(CONFIG_VFIO_PCI_MMAP)) break no_mmap;

      if (!(res.flags & IORESOURCE_MEM)) break no_mmap;

      // A typed resource of size zero would be a bug elsewhere; do not trip over it.
      if (!resource_size(res)) break no_mmap;

      if (resource_size(res) >= PAGE_SIZE) {
        vdev.bar_mmap_supported[bar] = true;
        continue;
      }

      if (res.start % PAGE_SIZE === 0) {
        // The BAR is alone in its page: keep a hot-added BAR from being put into the rest of it.
        const dummy_res = kzalloc(vfio_pci_dummy_resource, GFP_KERNEL);
        if (dummy_res === null) break no_mmap;

        dummy_res.resource.name = 'vfio sub-page reserved';
        dummy_res.resource.start = res.end + 1;
        dummy_res.resource.end = res.start + PAGE_SIZE - 1;
        dummy_res.resource.flags = res.flags;
        if (request_resource(res.parent as resource, dummy_res.resource)) {
          kfree(dummy_res);
          break no_mmap;
        }
        dummy_res.index = bar;
        list_add(dummy_res.res_next, vdev.dummy_resources_list);
        vdev.bar_mmap_supported[bar] = true;
        continue;
      }
      // A small BAR that is not page aligned cannot be mapped: user space would not know where in the page it is.
    }
    vdev.bar_mmap_supported[bar] = false;
  }
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_nointx() */
export function vfio_pci_nointx(this: Kernel, pdev: pci_dev): boolean {
  // Devices that have DisINTx but do not say in STATUS that they assert INTx: INTx is hidden from the user.
  switch (pdev.vendor) {
    case PCI_VENDOR_ID_INTEL:
      switch (pdev.device) {
        // i40e: XL710, X710, XXV710
        case 0x1572:
        case 0x1574:
        case 0x1580:
        case 0x1581:
        case 0x1583:
        case 0x1584:
        case 0x1585:
        case 0x1586:
        case 0x1587:
        case 0x1588:
        case 0x1589:
        case 0x158a:
        case 0x158b:
        case 0x37d0:
        case 0x37d1:
        case 0x37d2:
        // X550
        case 0x1563:
          return true;
        default:
          return false;
      }
  }

  return false;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_probe_power_state() */
export async function vfio_pci_probe_power_state(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  const { pdev } = vdev;
  const pmcsr = ref<u16>(0);

  if (!pdev.pm_cap) return;

  await pci_read_config_word(pdev, pdev.pm_cap + PCI_PM_CTRL, pmcsr);

  vdev.needs_pm_restore = !(pmcsr.v & PCI_PM_CTRL_NO_SOFT_RESET);
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_set_power_state() */
export async function vfio_pci_set_power_state(
  this: Kernel,
  vdev: vfio_pci_core_device,
  state: int,
): Promise<int> {
  const { pdev } = vdev;
  let needs_restore = false;
  let needs_save = false;

  // A PF must not sleep below its VFs.
  if (pci_num_vf(pdev) && state > PCI_D0) return -EBUSY;

  if (vdev.needs_pm_restore) {
    if (pdev.current_state < PCI_D3hot && state >= PCI_D3hot) {
      await pci_save_state(pdev);
      needs_save = true;
    }

    if (pdev.current_state >= PCI_D3hot && state <= PCI_D0) needs_restore = true;
  }

  const ret = await pci_set_power_state(pdev, state);

  if (!ret) {
    // A quirk may have kept the device out of D3 although the call says 0.
    if (needs_save && pdev.current_state >= PCI_D3hot) {
      // The PCI core can bring the device to D0 without us, so an older copy may still be there.
      kfree(vdev.pm_save);
      vdev.pm_save = pci_store_saved_state(pdev);
    } else if (needs_restore) {
      pci_load_and_free_saved_state(pdev, field_ref(vdev, 'pm_save'));
      await pci_restore_state(pdev);
    }
  }

  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_enable() */
export async function vfio_pci_core_enable(this: Kernel, vdev: vfio_pci_core_device): Promise<int> {
  const { pdev } = vdev;
  let ret: int;
  const cmd = ref<u16>(0);

  if (!this.disable_idle_d3) {
    ret = await pm_runtime_resume_and_get(pdev.dev);
    if (ret < 0) return ret;
  }

  // Bus mastering must not be part of the state that is saved below.
  await pci_clear_master(pdev);

  out_power: {
    ret = await pci_enable_device(pdev);
    if (ret) break out_power;

    out_disable_device: {
      // Somebody else holds the device: give up instead of going on without a reset.
      ret = await pci_try_reset_function(pdev);
      if (ret === -EAGAIN) break out_disable_device;

      vdev.reset_works = !ret;
      await pci_save_state(pdev);
      vdev.pci_saved_state = pci_store_saved_state(pdev);
      if (!vdev.pci_saved_state) pci_dbg(pdev, "vfio_pci_core_enable: Couldn't store saved state\n");

      if (!this.nointxmask) {
        if (this.vfio_pci_nointx(pdev)) {
          pci_info(pdev, 'Masking broken INTx support\n');
          vdev.nointx = true;
          await pci_intx(pdev, 0);
        } else vdev.pci_2_3 = pci_intx_mask_supported(pdev);
      }

      await pci_read_config_word(pdev, PCI_COMMAND, cmd);
      if (vdev.pci_2_3 && cmd.v & PCI_COMMAND_INTX_DISABLE) {
        cmd.v &= ~PCI_COMMAND_INTX_DISABLE;
        await pci_write_config_word(pdev, PCI_COMMAND, cmd.v);
      }

      out_free_state: {
        ret = await this.vfio_config_init(vdev);
        if (ret) break out_free_state;

        const msix_pos = pdev.msix_cap;
        if (msix_pos) {
          const flags = ref<u16>(0);
          const table = ref<u32>(0);

          await pci_read_config_word(pdev, msix_pos + PCI_MSIX_FLAGS, flags);
          await pci_read_config_dword(pdev, msix_pos + PCI_MSIX_TABLE, table);

          vdev.msix_bar = table.v & PCI_MSIX_TABLE_BIR;
          vdev.msix_offset = (table.v & PCI_MSIX_TABLE_OFFSET) >>> 0;
          vdev.msix_size = ((flags.v & PCI_MSIX_FLAGS_QSIZE) + 1) * 16;
        } else vdev.msix_bar = 0xff;

        if (!this.vfio_vga_disabled() && vfio_pci_is_vga(pdev)) vdev.has_vga = true;

        return 0;
      }
      kfree(vdev.pci_saved_state);
      vdev.pci_saved_state = null;
    }
    await pci_disable_device(pdev);
  }
  if (!this.disable_idle_d3) await pm_runtime_put(pdev.dev);
  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_disable() */
export async function vfio_pci_core_disable(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  const { pdev } = vdev;

  // needs_reset is shared by the set
  lockdep_assert_held(vdev.vdev.dev_set.lock);

  // A reset through the PM capability fails outside D0, and one of a device that loses its state (NoSoftRst-)
  // would lose what pm_save holds.
  await this.vfio_pci_set_power_state(vdev, PCI_D0);

  // no more DMA
  await pci_clear_master(pdev);

  await this.vfio_pci_set_irqs_ioctl(
    vdev,
    VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
    vdev.irq_type,
    0,
    0,
    null,
  );

  // Closed: ioeventfds_lock is not needed.
  for (const ioeventfd of list_for_each_entry_safe(vdev.ioeventfds_list)) {
    await this.vfio_virqfd_disable(field_ref(ioeventfd, 'virqfd'));
    list_del(ioeventfd.next);
    kfree(ioeventfd);
  }
  vdev.ioeventfds_nr = 0;

  vdev.virq_disabled = false;

  for (const region of vdev.region?.slice(0, vdev.num_regions) ?? []) await region.ops.release(vdev, region);

  vdev.num_regions = 0;
  kfree(vdev.region);
  vdev.region = null;

  this.vfio_config_free(vdev);

  for (let i = 0; i < PCI_STD_NUM_BARS; i++) {
    const bar = i + PCI_STD_RESOURCES;
    const io = vdev.barmap[bar];
    if (!io) continue;
    pci_iounmap(pdev, io);
    pci_release_selected_regions(pdev, 1 << bar);
    vdev.barmap[bar] = null;
  }

  for (const dummy_res of list_for_each_entry_safe(vdev.dummy_resources_list)) {
    list_del(dummy_res.res_next);
    release_resource(dummy_res.resource);
    kfree(dummy_res);
  }

  vdev.needs_reset = true;

  out: {
    // Restore what was saved at open, and reset if that works; saving and restoring without a reset between
    // them would be of no use.
    if (pci_load_and_free_saved_state(pdev, field_ref(vdev, 'pci_saved_state'))) {
      pci_info(pdev, "vfio_pci_core_disable: Couldn't reload saved state\n");

      if (!vdev.reset_works) break out;

      await pci_save_state(pdev);
    }

    // No interrupt during the reset.
    await pci_write_config_word(pdev, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE);

    // The device lock may be held by who waits for us, so only try; and pci_try_reset_function() would overwrite
    // the state loaded above.
    if (vdev.reset_works && (await pci_dev_trylock(pdev))) {
      if (!(await __pci_reset_function_locked(pdev))) vdev.needs_reset = false;
      await pci_dev_unlock(pdev);
    }

    await pci_restore_state(pdev);
  }
  await pci_disable_device(pdev);

  await this.vfio_pci_dev_set_try_reset(vdev.vdev.dev_set);

  // what vfio_pci_core_enable() took
  if (!this.disable_idle_d3) await pm_runtime_put(pdev.dev);
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_close_device() */
export async function vfio_pci_core_close_device(this: Kernel, core_vdev: vfio_device): Promise<void> {
  const vdev = container_of<vfio_pci_core_device>(core_vdev);

  if (vdev.sriov_pf_core_dev) {
    const vf_token = vdev.sriov_pf_core_dev.vf_token as vfio_pci_vf_token;
    await mutex_lock(vf_token.lock);
    WARN_ON(!vf_token.users);
    vf_token.users--;
    await mutex_unlock(vf_token.lock);
  }
  vfio_spapr_pci_eeh_release(vdev.pdev);
  await this.vfio_pci_core_disable(vdev);

  await mutex_lock(vdev.igate);
  if (vdev.err_trigger) {
    await eventfd_ctx_put(vdev.err_trigger);
    vdev.err_trigger = null;
  }
  if (vdev.req_trigger) {
    await eventfd_ctx_put(vdev.req_trigger);
    vdev.req_trigger = null;
  }
  await mutex_unlock(vdev.igate);
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_finish_enable() */
export async function vfio_pci_core_finish_enable(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  this.vfio_pci_probe_mmaps(vdev);
  vfio_spapr_pci_eeh_open(vdev.pdev);

  if (vdev.sriov_pf_core_dev) {
    const vf_token = vdev.sriov_pf_core_dev.vf_token as vfio_pci_vf_token;
    await mutex_lock(vf_token.lock);
    vf_token.users++;
    await mutex_unlock(vf_token.lock);
  }
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_get_irq_count() */
export async function vfio_pci_get_irq_count(
  this: Kernel,
  vdev: vfio_pci_core_device,
  irq_type: int,
): Promise<int> {
  if (irq_type === VFIO_PCI_INTX_IRQ_INDEX) {
    const pin = ref(0);

    if (!IS_ENABLED(CONFIG_VFIO_PCI_INTX) || vdev.nointx || vdev.pdev.is_virtfn) return 0;

    await pci_read_config_byte(vdev.pdev, PCI_INTERRUPT_PIN, pin);

    return pin.v ? 1 : 0;
  } else if (irq_type === VFIO_PCI_MSI_IRQ_INDEX) {
    const flags = ref<u16>(0);

    const pos = vdev.pdev.msi_cap;
    if (pos) {
      await pci_read_config_word(vdev.pdev, pos + PCI_MSI_FLAGS, flags);
      return 1 << ((flags.v & PCI_MSI_FLAGS_QMASK) >> 1);
    }
  } else if (irq_type === VFIO_PCI_MSIX_IRQ_INDEX) {
    const flags = ref<u16>(0);

    const pos = vdev.pdev.msix_cap;
    if (pos) {
      await pci_read_config_word(vdev.pdev, pos + PCI_MSIX_FLAGS, flags);

      return (flags.v & PCI_MSIX_FLAGS_QSIZE) + 1;
    }
  } else if (irq_type === VFIO_PCI_ERR_IRQ_INDEX) {
    if (pci_is_pcie(vdev.pdev)) return 1;
  } else if (irq_type === VFIO_PCI_REQ_IRQ_INDEX) {
    return 1;
  }

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_count_devs() */
export function vfio_pci_count_devs(this: Kernel, pdev: pci_dev, data: unknown): int {
  (data as Ref<int>).v++;
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_fill_devs() */
export async function vfio_pci_fill_devs(this: Kernel, pdev: pci_dev, data: unknown): Promise<int> {
  const fill = data as vfio_pci_fill_info;

  if (fill.cur === fill.max) return -EAGAIN; // a device came in between: the caller has to ask again

  const iommu_group = await iommu_group_get(pdev.dev);
  if (!iommu_group) return -EPERM; // not isolated: no reset

  fill.devices[fill.cur].group_id = iommu_group_id(iommu_group);
  fill.devices[fill.cur].segment = pci_domain_nr(pdev.bus);
  fill.devices[fill.cur].bus = pdev.bus.number;
  fill.devices[fill.cur].devfn = pdev.devfn;
  fill.cur++;
  await iommu_group_put(iommu_group);
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_dev_below_slot() */
export function vfio_pci_dev_below_slot(this: Kernel, pdev: pci_dev, slot: pci_slot | null): boolean {
  for (let dev: pci_dev | null = pdev; dev; dev = dev.bus.self)
    if (dev.bus === slot?.bus) return dev.slot === slot;
  return false;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_walk_wrapper() */
export async function vfio_pci_walk_wrapper(this: Kernel, pdev: pci_dev, data: unknown): Promise<int> {
  const walk = data as vfio_pci_walk_info;

  if (!walk.slot || this.vfio_pci_dev_below_slot(pdev, walk.pdev.slot))
    walk.ret = await walk.fn(pdev, walk.data);

  return walk.ret;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_for_each_slot_or_bus() */
export async function vfio_pci_for_each_slot_or_bus(
  this: Kernel,
  pdev: pci_dev,
  fn: vfio_pci_walk_fn,
  data: unknown,
  slot: boolean,
): Promise<int> {
  const walk: vfio_pci_walk_info = { fn, data, pdev, slot, ret: 0 };

  await pci_walk_bus(pdev.bus, (dev, info) => this.vfio_pci_walk_wrapper(dev, info), walk);

  return walk.ret;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static msix_mmappable_cap() */
export function msix_mmappable_cap(this: Kernel, vdev: vfio_pci_core_device, caps: vfio_info_cap): int {
  const header = new vfio_info_cap_header();
  header.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE;
  header.version = 1;

  return this.vfio_info_add_capability(caps, header, sizeof(vfio_info_cap_header));
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_register_dev_region() */
export function vfio_pci_register_dev_region(
  this: Kernel,
  vdev: vfio_pci_core_device,
  type: u32,
  subtype: u32,
  ops: vfio_pci_regops,
  size: number,
  flags: u32,
  data: unknown,
): int {
  const region = krealloc(vdev.region, vdev.num_regions + 1, GFP_KERNEL, vfio_pci_region);
  if (!region) return -ENOMEM;

  vdev.region = region;
  region[vdev.num_regions].type = type;
  region[vdev.num_regions].subtype = subtype;
  region[vdev.num_regions].ops = ops;
  region[vdev.num_regions].size = size;
  region[vdev.num_regions].flags = flags;
  region[vdev.num_regions].data = data;

  vdev.num_regions++;

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_ioctl() */
export async function vfio_pci_core_ioctl(
  this: Kernel,
  core_vdev: vfio_device,
  cmd: u32,
  arg: user_ptr,
): Promise<number> {
  const vdev = container_of<vfio_pci_core_device>(core_vdev);
  let minsz: number;

  if (cmd === VFIO_DEVICE_GET_INFO) {
    const info = new vfio_device_info();
    const caps = new vfio_info_cap();

    minsz = offsetofend(vfio_device_info, 'num_irqs');

    // Older user space has a shorter struct. (The struct named here is the wrong one, of the same size.)
    const capsz = offsetofend(vfio_iommu_type1_info, 'cap_offset');

    if (copy_from_user(info, arg, minsz)) return -EFAULT;

    if (info.argsz < minsz) return -EINVAL;

    if (info.argsz >= capsz) {
      minsz = capsz;
      info.cap_offset = 0;
    }

    info.flags = VFIO_DEVICE_FLAGS_PCI;

    if (vdev.reset_works) info.flags |= VFIO_DEVICE_FLAGS_RESET;

    info.num_regions = VFIO_PCI_NUM_REGIONS + vdev.num_regions;
    info.num_irqs = this.VFIO_PCI_NUM_IRQS;

    const ret = vfio_pci_info_zdev_add_caps(vdev, caps);
    if (ret && ret !== -ENODEV) {
      pci_warn(vdev.pdev, 'Failed to setup zPCI info capabilities\n');
      return ret;
    }

    if (caps.size) {
      info.flags |= VFIO_DEVICE_FLAGS_CAPS;
      if (info.argsz < sizeof(vfio_device_info) + caps.size) {
        info.argsz = sizeof(vfio_device_info) + caps.size;
      } else {
        this.vfio_info_cap_shift(caps, sizeof(vfio_device_info));
        if (copy_to_user(arg + sizeof(vfio_device_info), caps.buf as Uint8Array, caps.size)) {
          kfree(caps.buf);
          return -EFAULT;
        }
        info.cap_offset = sizeof(vfio_device_info);
      }

      kfree(caps.buf);
    }

    return copy_to_user(arg, info, minsz) ? -EFAULT : 0;
  } else if (cmd === VFIO_DEVICE_GET_REGION_INFO) {
    const { pdev } = vdev;
    const info = new vfio_region_info();
    const caps = new vfio_info_cap();
    let ret: int;

    minsz = offsetofend(vfio_region_info, 'offset');

    if (copy_from_user(info, arg, minsz)) return -EFAULT;

    if (info.argsz < minsz) return -EINVAL;

    switch (info.index) {
      case VFIO_PCI_CONFIG_REGION_INDEX:
        info.offset = VFIO_PCI_INDEX_TO_OFFSET(info.index);
        info.size = pdev.cfg_size;
        info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        break;
      case VFIO_PCI_BAR0_REGION_INDEX:
      case VFIO_PCI_BAR1_REGION_INDEX:
      case VFIO_PCI_BAR2_REGION_INDEX:
      case VFIO_PCI_BAR3_REGION_INDEX:
      case VFIO_PCI_BAR4_REGION_INDEX:
      case VFIO_PCI_BAR5_REGION_INDEX:
        info.offset = VFIO_PCI_INDEX_TO_OFFSET(info.index);
        info.size = pci_resource_len(pdev, info.index);
        if (!info.size) {
          info.flags = 0;
          break;
        }

        info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        if (vdev.bar_mmap_supported[info.index]) {
          info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
          if (info.index === vdev.msix_bar) {
            ret = this.msix_mmappable_cap(vdev, caps);
            if (ret) return ret;
          }
        }

        break;
      case VFIO_PCI_ROM_REGION_INDEX: {
        const size = ref(0);

        info.offset = VFIO_PCI_INDEX_TO_OFFSET(info.index);
        info.flags = 0;

        // the size of the BAR, not of the image
        info.size = pci_resource_len(pdev, info.index);
        if (!info.size) {
          // a shadow ROM counts as an option ROM
          if (pdev.resource[PCI_ROM_RESOURCE].flags & IORESOURCE_ROM_SHADOW) info.size = 0x20000;
          else break;
        }

        // Only a ROM with an image counts; reading it needs memory decode.
        const cmd = await this.vfio_pci_memory_lock_and_enable(vdev);
        const io = await pci_map_rom(pdev, size);
        if (io) {
          info.flags = VFIO_REGION_INFO_FLAG_READ;
          await pci_unmap_rom(pdev, io);
        } else {
          info.size = 0;
        }
        await this.vfio_pci_memory_unlock_and_restore(vdev, cmd);

        break;
      }
      case VFIO_PCI_VGA_REGION_INDEX:
        if (!vdev.has_vga) return -EINVAL;

        info.offset = VFIO_PCI_INDEX_TO_OFFSET(info.index);
        info.size = 0xc0000;
        info.flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

        break;
      default: {
        const cap_type = new vfio_region_info_cap_type();
        cap_type.id = VFIO_REGION_INFO_CAP_TYPE;
        cap_type.version = 1;

        if (info.index >= VFIO_PCI_NUM_REGIONS + vdev.num_regions) return -EINVAL;
        info.index = array_index_nospec(info.index, VFIO_PCI_NUM_REGIONS + vdev.num_regions);

        const region = (vdev.region ?? [])[info.index - VFIO_PCI_NUM_REGIONS];

        info.offset = VFIO_PCI_INDEX_TO_OFFSET(info.index);
        info.size = region.size;
        info.flags = region.flags;

        cap_type.type = region.type;
        cap_type.subtype = region.subtype;

        ret = this.vfio_info_add_capability(caps, cap_type, sizeof(vfio_region_info_cap_type));
        if (ret) return ret;

        if (region.ops.add_capability) {
          ret = await region.ops.add_capability(vdev, region, caps);
          if (ret) return ret;
        }
      }
    }

    if (caps.size) {
      info.flags |= VFIO_REGION_INFO_FLAG_CAPS;
      if (info.argsz < sizeof(vfio_region_info) + caps.size) {
        info.argsz = sizeof(vfio_region_info) + caps.size;
        info.cap_offset = 0;
      } else {
        this.vfio_info_cap_shift(caps, sizeof(vfio_region_info));
        if (copy_to_user(arg + sizeof(vfio_region_info), caps.buf as Uint8Array, caps.size)) {
          kfree(caps.buf);
          return -EFAULT;
        }
        info.cap_offset = sizeof(vfio_region_info);
      }

      kfree(caps.buf);
    }

    return copy_to_user(arg, info, minsz) ? -EFAULT : 0;
  } else if (cmd === VFIO_DEVICE_GET_IRQ_INFO) {
    const info = new vfio_irq_info();

    minsz = offsetofend(vfio_irq_info, 'count');

    if (copy_from_user(info, arg, minsz)) return -EFAULT;

    if (info.argsz < minsz || info.index >= this.VFIO_PCI_NUM_IRQS) return -EINVAL;

    switch (info.index) {
      case VFIO_PCI_INTX_IRQ_INDEX:
      case VFIO_PCI_MSI_IRQ_INDEX:
      case VFIO_PCI_MSIX_IRQ_INDEX:
      case VFIO_PCI_REQ_IRQ_INDEX:
        break;
      case VFIO_PCI_ERR_IRQ_INDEX:
        if (pci_is_pcie(vdev.pdev)) break;
        return -EINVAL;
      default:
        return -EINVAL;
    }

    info.flags = VFIO_IRQ_INFO_EVENTFD;

    info.count = await this.vfio_pci_get_irq_count(vdev, info.index);

    if (info.index === VFIO_PCI_INTX_IRQ_INDEX)
      info.flags |= VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
    else info.flags |= VFIO_IRQ_INFO_NORESIZE;

    return copy_to_user(arg, info, minsz) ? -EFAULT : 0;
  } else if (cmd === VFIO_DEVICE_SET_IRQS) {
    const hdr = new vfio_irq_set();
    let data: Uint8Array | null = null;
    const data_size = ref(0);

    minsz = offsetofend(vfio_irq_set, 'count');

    if (copy_from_user(hdr, arg, minsz)) return -EFAULT;

    const max = await this.vfio_pci_get_irq_count(vdev, hdr.index);

    let ret = this.vfio_set_irqs_validate_and_prepare(hdr, max, this.VFIO_PCI_NUM_IRQS, data_size);
    if (ret) return ret;

    if (data_size.v) {
      const copy = memdup_user(arg + minsz, data_size.v);
      if (IS_ERR(copy)) return PTR_ERR(copy);
      data = copy;
    }

    await mutex_lock(vdev.igate);

    ret = await this.vfio_pci_set_irqs_ioctl(vdev, hdr.flags, hdr.index, hdr.start, hdr.count, data);

    await mutex_unlock(vdev.igate);
    kfree(data);

    return ret;
  } else if (cmd === VFIO_DEVICE_RESET) {
    if (!vdev.reset_works) return -EINVAL;

    await this.vfio_pci_zap_and_down_write_memory_lock(vdev);

    // The reset would bring the device to D0 behind our back, and a device that loses its state on the way
    // (NoSoftRst-) would never get back what pm_save holds.
    await this.vfio_pci_set_power_state(vdev, PCI_D0);

    const ret = await pci_try_reset_function(vdev.pdev);
    await up_write(vdev.memory_lock);

    return ret;
  } else if (cmd === VFIO_DEVICE_GET_PCI_HOT_RESET_INFO) {
    const hdr = new vfio_pci_hot_reset_info();
    const fill: vfio_pci_fill_info = { max: 0, cur: 0, devices: [] };
    let devices: vfio_pci_dependent_device[] | null = null;
    let slot = false;
    let ret: int = 0;

    minsz = offsetofend(vfio_pci_hot_reset_info, 'count');

    if (copy_from_user(hdr, arg, minsz)) return -EFAULT;

    if (hdr.argsz < minsz) return -EINVAL;

    hdr.flags = 0;

    // slot reset, bus reset, or neither?
    if (!pci_probe_reset_slot(vdev.pdev.slot)) slot = true;
    else if (pci_probe_reset_bus(vdev.pdev.bus)) return -ENODEV;

    // how many devices does it hit?
    ret = await this.vfio_pci_for_each_slot_or_bus(
      vdev.pdev,
      (pdev, data) => this.vfio_pci_count_devs(pdev, data),
      field_ref(fill, 'max'),
      slot,
    );
    if (ret) return ret;

    WARN_ON(!fill.max); // this device is one of them

    reset_info_exit: {
      // Too little room: -ENOSPC and the number of devices.
      if (hdr.argsz < sizeof(vfio_pci_hot_reset_info) + fill.max * sizeof(vfio_pci_dependent_device)) {
        ret = -ENOSPC;
        hdr.count = fill.max;
        break reset_info_exit;
      }

      devices = kcalloc(fill.max, vfio_pci_dependent_device, GFP_KERNEL);
      if (!devices) return -ENOMEM;

      fill.devices = devices;

      ret = await this.vfio_pci_for_each_slot_or_bus(
        vdev.pdev,
        (pdev, data) => this.vfio_pci_fill_devs(pdev, data),
        fill,
        slot,
      );

      // A device that went away since the count leaves fewer; one that came has given -EAGAIN.
      if (!ret) hdr.count = fill.cur;
    }
    if (copy_to_user(arg, hdr, minsz)) ret = -EFAULT;

    if (!ret && devices) {
      if (
        copy_to_user(
          arg + minsz,
          array_bytes(devices, hdr.count),
          hdr.count * sizeof(vfio_pci_dependent_device),
        )
      )
        ret = -EFAULT;
    }

    kfree(devices);
    return ret;
  } else if (cmd === VFIO_DEVICE_PCI_HOT_RESET) {
    const hdr = new vfio_pci_hot_reset();
    let slot = false;
    let file_idx: int;
    const count = ref(0);
    let ret: int = 0;

    minsz = offsetofend(vfio_pci_hot_reset, 'count');

    if (copy_from_user(hdr, arg, minsz)) return -EFAULT;

    if (hdr.argsz < minsz || hdr.flags) return -EINVAL;

    // slot reset, bus reset, or neither?
    if (!pci_probe_reset_slot(vdev.pdev.slot)) slot = true;
    else if (pci_probe_reset_bus(vdev.pdev.bus)) return -ENODEV;

    // User space must not make us copy without bound: there are at most as many groups as devices.
    ret = await this.vfio_pci_for_each_slot_or_bus(
      vdev.pdev,
      (pdev, data) => this.vfio_pci_count_devs(pdev, data),
      count,
      slot,
    );
    if (ret) return ret;

    if (!hdr.count || hdr.count > count.v) return -EINVAL;

    const group_fds = kzalloc_bytes(hdr.count * 4, GFP_KERNEL);
    const files = kcalloc<file>(hdr.count, null, GFP_KERNEL);
    if (!group_fds || !files) {
      kfree(group_fds);
      kfree(files);
      return -ENOMEM;
    }

    if (copy_from_user(group_fds, arg + minsz, hdr.count * 4)) {
      kfree(group_fds);
      kfree(files);
      return -EFAULT;
    }

    const fds = new DataView(group_fds.buffer, group_fds.byteOffset);

    // The files keep the groups alive across the reset.
    for (file_idx = 0; file_idx < hdr.count; file_idx++) {
      const file = await fget(fds.getInt32(4 * file_idx, true));

      if (!file) {
        ret = -EBADF;
        break;
      }

      // only group files count
      if (!this.vfio_file_iommu_group(file)) {
        await fput(file);
        ret = -EINVAL;
        break;
      }

      files[file_idx] = file;
    }

    kfree(group_fds);

    hot_reset_release: {
      if (ret) break hot_reset_release;

      const info: vfio_pci_group_info = { count: hdr.count, files };

      ret = await this.vfio_pci_dev_set_hot_reset(vdev.vdev.dev_set, info);
    }
    for (file_idx--; file_idx >= 0; file_idx--) await fput(files[file_idx] as file);

    kfree(files);
    return ret;
  } else if (cmd === VFIO_DEVICE_IOEVENTFD) {
    const ioeventfd = new vfio_device_ioeventfd();

    minsz = offsetofend(vfio_device_ioeventfd, 'fd');

    if (copy_from_user(ioeventfd, arg, minsz)) return -EFAULT;

    if (ioeventfd.argsz < minsz) return -EINVAL;

    if (ioeventfd.flags & ~VFIO_DEVICE_IOEVENTFD_SIZE_MASK) return -EINVAL;

    const count = ioeventfd.flags & VFIO_DEVICE_IOEVENTFD_SIZE_MASK;

    if (hweight8(count) !== 1 || ioeventfd.fd < -1) return -EINVAL;

    return await this.vfio_pci_ioeventfd(vdev, ioeventfd.offset, ioeventfd.data, count, ioeventfd.fd);
  }
  return -ENOTTY;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_core_feature_token() */
export async function vfio_pci_core_feature_token(
  this: Kernel,
  device: vfio_device,
  flags: u32,
  arg: user_ptr,
  argsz: number,
): Promise<int> {
  const vdev = container_of<vfio_pci_core_device>(device);
  const uuid = new uuid_t();

  if (!vdev.vf_token) return -ENOTTY;
  // No GET: it would show the token of the user before.
  const ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_SET, UUID_SIZE);
  if (ret !== 1) return ret;

  if (copy_from_user(uuid.bytes, arg, UUID_SIZE)) return -EFAULT;

  await mutex_lock(vdev.vf_token.lock);
  uuid_copy(vdev.vf_token.uuid, uuid);
  await mutex_unlock(vdev.vf_token.lock);
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_ioctl_feature() */
export async function vfio_pci_core_ioctl_feature(
  this: Kernel,
  device: vfio_device,
  flags: u32,
  arg: user_ptr,
  argsz: number,
): Promise<int> {
  switch (flags & VFIO_DEVICE_FEATURE_MASK) {
    case VFIO_DEVICE_FEATURE_PCI_VF_TOKEN:
      return await this.vfio_pci_core_feature_token(device, flags, arg, argsz);
    default:
      return -ENOTTY;
  }
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_rw() */
export async function vfio_pci_rw(
  this: Kernel,
  vdev: vfio_pci_core_device,
  buf: user_ptr,
  count: number,
  ppos: Ref<number>,
  iswrite: boolean,
): Promise<number> {
  let index = VFIO_PCI_OFFSET_TO_INDEX(ppos.v);

  if (index >= VFIO_PCI_NUM_REGIONS + vdev.num_regions) return -EINVAL;

  switch (index) {
    case VFIO_PCI_CONFIG_REGION_INDEX:
      return await this.vfio_pci_config_rw(vdev, buf, count, ppos, iswrite);

    case VFIO_PCI_ROM_REGION_INDEX:
      if (iswrite) return -EINVAL;
      return await this.vfio_pci_bar_rw(vdev, buf, count, ppos, false);

    case VFIO_PCI_BAR0_REGION_INDEX:
    case VFIO_PCI_BAR1_REGION_INDEX:
    case VFIO_PCI_BAR2_REGION_INDEX:
    case VFIO_PCI_BAR3_REGION_INDEX:
    case VFIO_PCI_BAR4_REGION_INDEX:
    case VFIO_PCI_BAR5_REGION_INDEX:
      return await this.vfio_pci_bar_rw(vdev, buf, count, ppos, iswrite);

    case VFIO_PCI_VGA_REGION_INDEX:
      return await this.vfio_pci_vga_rw(vdev, buf, count, ppos, iswrite);
    default:
      index -= VFIO_PCI_NUM_REGIONS;
      return await (vdev.region ?? [])[index].ops.rw(vdev, buf, count, ppos, iswrite);
  }
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_read() */
export async function vfio_pci_core_read(
  this: Kernel,
  core_vdev: vfio_device,
  buf: user_ptr,
  count: number,
  ppos: Ref<number>,
): Promise<number> {
  const vdev = container_of<vfio_pci_core_device>(core_vdev);

  if (!count) return 0;

  return await this.vfio_pci_rw(vdev, buf, count, ppos, false);
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_write() */
export async function vfio_pci_core_write(
  this: Kernel,
  core_vdev: vfio_device,
  buf: user_ptr,
  count: number,
  ppos: Ref<number>,
): Promise<number> {
  const vdev = container_of<vfio_pci_core_device>(core_vdev);

  if (!count) return 0;

  return await this.vfio_pci_rw(vdev, buf, count, ppos, true);
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_zap_and_vma_lock() */
export async function vfio_pci_zap_and_vma_lock(
  this: Kernel,
  vdev: vfio_pci_core_device,
  try_: boolean,
): Promise<int> {
  // Order: mmap_lock, then vma_lock, then memory_lock, because a fault comes in with mmap_lock held. To zap, the
  // list has to be walked under vma_lock to find an mm, which is then locked the right way round after dropping
  // vma_lock. Only when the list is found empty can memory_lock be taken: vma_lock stays held until then.
  while (true) {
    let mm: mm_struct | null = null;

    if (try_) {
      if (!(await mutex_trylock(vdev.vma_lock))) return 0;
    } else {
      await mutex_lock(vdev.vma_lock);
    }
    while (!list_empty(vdev.vma_list)) {
      const mmap_vma = list_first_entry(vdev.vma_list);
      mm = mmap_vma.vma.vm_mm;
      if (await mmget_not_zero(mm)) break;

      list_del(mmap_vma.vma_next);
      kfree(mmap_vma);
      mm = null;
    }
    if (!mm) return 1;
    await mutex_unlock(vdev.vma_lock);

    if (try_) {
      if (!(await mmap_read_trylock(mm))) {
        await mmput(mm);
        return 0;
      }
    } else {
      await mmap_read_lock(mm);
    }
    if (try_) {
      if (!(await mutex_trylock(vdev.vma_lock))) {
        await mmap_read_unlock(mm);
        await mmput(mm);
        return 0;
      }
    } else {
      await mutex_lock(vdev.vma_lock);
    }
    for (const mmap_vma of list_for_each_entry_safe(vdev.vma_list)) {
      const { vma } = mmap_vma;

      if (vma.vm_mm !== mm) continue;

      list_del(mmap_vma.vma_next);
      kfree(mmap_vma);

      await zap_vma_ptes(vma, vma.vm_start, vma.vm_end - vma.vm_start);
    }
    await mutex_unlock(vdev.vma_lock);
    await mmap_read_unlock(mm);
    await mmput(mm);
  }
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_zap_and_down_write_memory_lock() */
export async function vfio_pci_zap_and_down_write_memory_lock(
  this: Kernel,
  vdev: vfio_pci_core_device,
): Promise<void> {
  await this.vfio_pci_zap_and_vma_lock(vdev, false);
  await down_write(vdev.memory_lock);
  await mutex_unlock(vdev.vma_lock);
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_memory_lock_and_enable() */
export async function vfio_pci_memory_lock_and_enable(
  this: Kernel,
  vdev: vfio_pci_core_device,
): Promise<u16> {
  const cmd = ref<u16>(0);

  await down_write(vdev.memory_lock);
  await pci_read_config_word(vdev.pdev, PCI_COMMAND, cmd);
  if (!(cmd.v & PCI_COMMAND_MEMORY))
    await pci_write_config_word(vdev.pdev, PCI_COMMAND, cmd.v | PCI_COMMAND_MEMORY);

  return cmd.v;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_memory_unlock_and_restore() */
export async function vfio_pci_memory_unlock_and_restore(
  this: Kernel,
  vdev: vfio_pci_core_device,
  cmd: u16,
): Promise<void> {
  await pci_write_config_word(vdev.pdev, PCI_COMMAND, cmd);
  await up_write(vdev.memory_lock);
}

/** C: drivers/vfio/pci/vfio_pci_core.c static __vfio_pci_add_vma() */
export function __vfio_pci_add_vma(this: Kernel, vdev: vfio_pci_core_device, vma: vm_area_struct): int {
  const mmap_vma = kzalloc(vfio_pci_mmap_vma, GFP_KERNEL);
  if (!mmap_vma) return -ENOMEM;

  mmap_vma.vma = vma;
  list_add(mmap_vma.vma_next, vdev.vma_list);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_mmap_open() */
export async function vfio_pci_mmap_open(this: Kernel, vma: vm_area_struct): Promise<void> {
  // The copy made by fork faults again, so that vma_list knows of every mapping in use.
  await zap_vma_ptes(vma, vma.vm_start, vma.vm_end - vma.vm_start);
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_mmap_close() */
export async function vfio_pci_mmap_close(this: Kernel, vma: vm_area_struct): Promise<void> {
  const vdev = vma.vm_private_data as vfio_pci_core_device;

  await mutex_lock(vdev.vma_lock);
  for (const mmap_vma of list_for_each_entry(vdev.vma_list)) {
    if (mmap_vma.vma === vma) {
      list_del(mmap_vma.vma_next);
      kfree(mmap_vma);
      break;
    }
  }
  await mutex_unlock(vdev.vma_lock);
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_mmap_fault() */
export async function vfio_pci_mmap_fault(this: Kernel, vmf: vm_fault): Promise<int> {
  const { vma } = vmf;
  const vdev = vma.vm_private_data as vfio_pci_core_device;
  let ret = VM_FAULT_NOPAGE;

  await mutex_lock(vdev.vma_lock);
  await down_read(vdev.memory_lock);

  up_out: {
    if (!this.__vfio_pci_memory_enabled(vdev)) {
      ret = VM_FAULT_SIGBUS;
      break up_out;
    }

    // A fault fills the whole vma, so a second one on the same vma has nothing left to do (and must not fill it
    // twice).
    for (const mmap_vma of list_for_each_entry(vdev.vma_list)) {
      if (mmap_vma.vma === vma) break up_out;
    }

    if (
      await io_remap_pfn_range(vma, vma.vm_start, vma.vm_pgoff, vma.vm_end - vma.vm_start, vma.vm_page_prot)
    ) {
      ret = VM_FAULT_SIGBUS;
      await zap_vma_ptes(vma, vma.vm_start, vma.vm_end - vma.vm_start);
      break up_out;
    }

    if (this.__vfio_pci_add_vma(vdev, vma)) {
      ret = VM_FAULT_OOM;
      await zap_vma_ptes(vma, vma.vm_start, vma.vm_end - vma.vm_start);
    }
  }
  await up_read(vdev.memory_lock);
  await mutex_unlock(vdev.vma_lock);
  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_mmap() */
export async function vfio_pci_core_mmap(
  this: Kernel,
  core_vdev: vfio_device,
  vma: vm_area_struct,
): Promise<int> {
  const vdev = container_of<vfio_pci_core_device>(core_vdev);
  const { pdev } = vdev;
  const region_pages = 2 ** (VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT);

  const index = Math.floor(vma.vm_pgoff / region_pages);

  if (index >= VFIO_PCI_NUM_REGIONS + vdev.num_regions) return -EINVAL;
  if (vma.vm_end < vma.vm_start) return -EINVAL;
  if ((vma.vm_flags & VM_SHARED) === 0) return -EINVAL;
  if (index >= VFIO_PCI_NUM_REGIONS) {
    const regnum = index - VFIO_PCI_NUM_REGIONS;
    const region = (vdev.region ?? [])[regnum];

    if (region.ops?.mmap && region.flags & VFIO_REGION_INFO_FLAG_MMAP)
      return await region.ops.mmap(vdev, region, vma);
    return -EINVAL;
  }
  if (index >= VFIO_PCI_ROM_REGION_INDEX) return -EINVAL;
  if (!vdev.bar_mmap_supported[index]) return -EINVAL;

  const phys_len = PAGE_ALIGN(pci_resource_len(pdev, index));
  const req_len = vma.vm_end - vma.vm_start;
  const pgoff = vma.vm_pgoff % region_pages;
  const req_start = pgoff * PAGE_SIZE;

  if (req_start + req_len > phys_len) return -EINVAL;

  // The mapping does not go through barmap, but the region has to be claimed, and barmap says whether it is.
  if (!vdev.barmap[index]) {
    const ret = pci_request_selected_regions(pdev, 1 << index, 'vfio-pci');
    if (ret) return ret;

    vdev.barmap[index] = pci_iomap(pdev, index, 0);
    if (!vdev.barmap[index]) {
      pci_release_selected_regions(pdev, 1 << index);
      return -ENOMEM;
    }
  }

  vma.vm_private_data = vdev;
  vma.vm_page_prot = pgprot_noncached(vma.vm_page_prot);
  vma.vm_pgoff = Math.floor(pci_resource_start(pdev, index) / PAGE_SIZE) + pgoff;

  // The flags that remapping wants: a fault handler may not change them any more.
  vma.vm_flags |= VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;
  vma.vm_ops = this.vfio_pci_mmap_ops;

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_request() */
export async function vfio_pci_core_request(this: Kernel, core_vdev: vfio_device, count: u32): Promise<void> {
  const vdev = container_of<vfio_pci_core_device>(core_vdev);
  const { pdev } = vdev;

  await mutex_lock(vdev.igate);

  if (vdev.req_trigger) {
    if (!(count % 10)) pci_notice_ratelimited(pdev, `Relaying device request to user (#${count})\n`);
    await eventfd_signal(vdev.req_trigger, 1);
  } else if (count === 0) {
    pci_warn(pdev, 'No device request channel registered, blocked until released by user\n');
  }

  await mutex_unlock(vdev.igate);
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_validate_vf_token() */
export async function vfio_pci_validate_vf_token(
  this: Kernel,
  vdev: vfio_pci_core_device,
  vf_token: boolean,
  uuid: uuid_t,
): Promise<int> {
  // The owner of a PF can harm its VFs, and see their data. So both sides prove that they know each other with a
  // UUID after the device name: a VF of a PF bound to vfio-pci always, a PF while VFs are in use. Given for a PF
  // with no VF in use, it sets the token. Given where there is no use for it, it is an error.
  if (vdev.pdev.is_virtfn) {
    const pf_vdev = vdev.sriov_pf_core_dev;

    if (!pf_vdev) {
      if (!vf_token) return 0; // the PF has another driver

      pci_info_ratelimited(vdev.pdev, 'VF token incorrectly provided, PF not bound to vfio-pci\n');
      return -EINVAL;
    }

    if (!vf_token) {
      pci_info_ratelimited(vdev.pdev, 'VF token required to access device\n');
      return -EACCES;
    }

    const pf_token = pf_vdev.vf_token as vfio_pci_vf_token;
    await mutex_lock(pf_token.lock);
    const match = uuid_equal(uuid, pf_token.uuid);
    await mutex_unlock(pf_token.lock);

    if (!match) {
      pci_info_ratelimited(vdev.pdev, 'Incorrect VF token provided for device\n');
      return -EACCES;
    }
  } else if (vdev.vf_token) {
    await mutex_lock(vdev.vf_token.lock);
    if (vdev.vf_token.users) {
      if (!vf_token) {
        await mutex_unlock(vdev.vf_token.lock);
        pci_info_ratelimited(vdev.pdev, 'VF token required to access device\n');
        return -EACCES;
      }

      if (!uuid_equal(uuid, vdev.vf_token.uuid)) {
        await mutex_unlock(vdev.vf_token.lock);
        pci_info_ratelimited(vdev.pdev, 'Incorrect VF token provided for device\n');
        return -EACCES;
      }
    } else if (vf_token) {
      uuid_copy(vdev.vf_token.uuid, uuid);
    }

    await mutex_unlock(vdev.vf_token.lock);
  } else if (vf_token) {
    pci_info_ratelimited(vdev.pdev, 'VF token incorrectly provided, not a PF or VF\n');
    return -EINVAL;
  }

  return 0;
}

const VF_TOKEN_ARG = 'vf_token=';

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_match() */
export async function vfio_pci_core_match(this: Kernel, core_vdev: vfio_device, buf: string): Promise<int> {
  const vdev = container_of<vfio_pci_core_device>(core_vdev);
  let vf_token = false;
  const uuid = new uuid_t();

  if (strncmp(pci_name(vdev.pdev), buf, strlen(pci_name(vdev.pdev)))) return 0;

  if (strlen(buf) > strlen(pci_name(vdev.pdev))) {
    buf = buf.slice(strlen(pci_name(vdev.pdev)));

    if (buf[0] !== ' ') return 0; // a longer name

    while (buf.length > 0) {
      if (buf[0] === ' ') {
        buf = buf.slice(1);
        continue;
      }

      if (!vf_token && !strncmp(buf, VF_TOKEN_ARG, strlen(VF_TOKEN_ARG))) {
        buf = buf.slice(strlen(VF_TOKEN_ARG));

        if (strlen(buf) < UUID_STRING_LEN) return -EINVAL;

        const ret = uuid_parse(buf, uuid);
        if (ret) return ret;

        vf_token = true;
        buf = buf.slice(UUID_STRING_LEN);
      } else {
        // unknown, or given twice
        return -EINVAL;
      }
    }
  }

  const ret = await this.vfio_pci_validate_vf_token(vdev, vf_token, uuid);
  if (ret) return ret;

  return 1;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_bus_notifier() */
export function vfio_pci_bus_notifier(this: Kernel, nb: notifier_block, action: number, data: unknown): int {
  const vdev = container_of<vfio_pci_core_device>(nb);
  const dev = data as device;
  const pdev = to_pci_dev(dev);
  const physfn = pci_physfn(pdev);

  if (action === BUS_NOTIFY_ADD_DEVICE && pdev.is_virtfn && physfn === vdev.pdev) {
    pci_info(vdev.pdev, `Captured SR-IOV VF ${pci_name(pdev)} driver_override\n`);
    pdev.driver_override = vdev.vdev.ops.name;
  } else if (action === BUS_NOTIFY_BOUND_DRIVER && pdev.is_virtfn && physfn === vdev.pdev) {
    const drv = pci_dev_driver(pdev);

    if (drv && drv !== pci_dev_driver(vdev.pdev))
      pci_warn(
        vdev.pdev,
        `VF ${pci_name(pdev)} bound to driver ${drv.name} while PF bound to driver ${pci_dev_driver(vdev.pdev)?.name}\n`,
      );
  }

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_vf_init() */
export async function vfio_pci_vf_init(this: Kernel, vdev: vfio_pci_core_device): Promise<int> {
  const { pdev } = vdev;

  if (pdev.is_virtfn) {
    // A VF made through our sriov_configure finds its PF here; removing the VFs waits for their drivers, so the
    // PF stays as long as this device does.
    const physfn = pci_physfn(vdev.pdev);
    await mutex_lock(this.vfio_pci_sriov_pfs_mutex);
    for (const cur of list_for_each_entry(this.vfio_pci_sriov_pfs)) {
      if (cur.pdev === physfn) {
        vdev.sriov_pf_core_dev = cur;
        break;
      }
    }
    await mutex_unlock(this.vfio_pci_sriov_pfs_mutex);
    return 0;
  }

  if (!pdev.is_physfn) return 0;

  vdev.vf_token = kzalloc(vfio_pci_vf_token, GFP_KERNEL);
  if (!vdev.vf_token) return -ENOMEM;

  mutex_init(vdev.vf_token.lock, '&vdev->vf_token->lock');
  uuid_gen(vdev.vf_token.uuid);

  vdev.nb.notifier_call = (nb, action, data) => this.vfio_pci_bus_notifier(nb, action, data);
  const ret = await bus_register_notifier(pci_bus_type(), vdev.nb);
  if (ret) {
    kfree(vdev.vf_token);
    return ret;
  }
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_vf_uninit() */
export async function vfio_pci_vf_uninit(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  if (!vdev.vf_token) return;

  await bus_unregister_notifier(pci_bus_type(), vdev.nb);
  WARN_ON(vdev.vf_token.users);
  mutex_destroy(vdev.vf_token.lock);
  kfree(vdev.vf_token);
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_vga_init() */
export async function vfio_pci_vga_init(this: Kernel, vdev: vfio_pci_core_device): Promise<int> {
  const { pdev } = vdev;

  if (!vfio_pci_is_vga(pdev)) return 0;

  const ret = await vga_client_register(pdev, (dev, single_vga) => this.vfio_pci_set_decode(dev, single_vga));
  if (ret) return ret;
  await vga_set_legacy_decoding(pdev, await this.vfio_pci_set_decode(pdev, false));
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_vga_uninit() */
export async function vfio_pci_vga_uninit(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  const { pdev } = vdev;

  if (!vfio_pci_is_vga(pdev)) return;
  await vga_client_unregister(pdev);
  await vga_set_legacy_decoding(
    pdev,
    VGA_RSRC_NORMAL_IO | VGA_RSRC_NORMAL_MEM | VGA_RSRC_LEGACY_IO | VGA_RSRC_LEGACY_MEM,
  );
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_init_device() */
export function vfio_pci_core_init_device(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pdev: pci_dev,
  vfio_pci_ops: vfio_device_ops,
): void {
  this.vfio_init_group_dev(vdev.vdev, pdev.dev, vfio_pci_ops);
  vdev.pdev = pdev;
  vdev.irq_type = this.VFIO_PCI_NUM_IRQS;
  mutex_init(vdev.igate, '&vdev->igate');
  spin_lock_init(vdev.irqlock, '&vdev->irqlock');
  mutex_init(vdev.ioeventfds_lock, '&vdev->ioeventfds_lock');
  INIT_LIST_HEAD(vdev.dummy_resources_list);
  INIT_LIST_HEAD(vdev.ioeventfds_list);
  mutex_init(vdev.vma_lock, '&vdev->vma_lock');
  INIT_LIST_HEAD(vdev.vma_list);
  INIT_LIST_HEAD(vdev.sriov_pfs_item);
  init_rwsem(vdev.memory_lock, '&vdev->memory_lock');
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_uninit_device() */
export async function vfio_pci_core_uninit_device(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  mutex_destroy(vdev.igate);
  mutex_destroy(vdev.ioeventfds_lock);
  mutex_destroy(vdev.vma_lock);
  await this.vfio_uninit_group_dev(vdev.vdev);
  kfree(vdev.region);
  kfree(vdev.pm_save);
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_register_device() */
export async function vfio_pci_core_register_device(this: Kernel, vdev: vfio_pci_core_device): Promise<int> {
  const { pdev } = vdev;
  const { dev } = pdev;
  let ret: int;

  // the runtime PM callbacks rely on it
  if (WARN_ON(vdev !== dev_get_drvdata(dev))) return -EINVAL;

  if (pdev.hdr_type !== PCI_HEADER_TYPE_NORMAL) return -EINVAL;

  // VFs that are already there may be in use by anybody, and we could not follow who uses them; removing them
  // here could block. So the user has to.
  if (pci_num_vf(pdev)) {
    pci_warn(pdev, 'Cannot bind to PF with SR-IOV enabled\n');
    return -EBUSY;
  }

  if (pci_is_root_bus(pdev.bus)) {
    ret = await this.vfio_assign_device_set(vdev.vdev, vdev);
  } else if (!pci_probe_reset_slot(pdev.slot)) {
    ret = await this.vfio_assign_device_set(vdev.vdev, pdev.slot);
  } else {
    // no slot reset: a reset hits the whole bus
    ret = await this.vfio_assign_device_set(vdev.vdev, pdev.bus);
  }

  if (ret) return ret;
  ret = await this.vfio_pci_vf_init(vdev);
  if (ret) return ret;
  out_vf: {
    ret = await this.vfio_pci_vga_init(vdev);
    if (ret) break out_vf;

    await this.vfio_pci_probe_power_state(vdev);

    // After boot and after another driver the PCI core does not know the power state, and from there only lets a
    // device go to D0. The device is not enabled yet, but has to be able to go to D3.
    await this.vfio_pci_set_power_state(vdev, PCI_D0);

    if (dev.driver) dev.driver.pm = this.vfio_pci_core_pm_ops;
    await pm_runtime_allow(dev);
    if (!this.disable_idle_d3) await pm_runtime_put(dev);

    out_power: {
      ret = await this.vfio_register_group_dev(vdev.vdev);
      if (ret) break out_power;
      return 0;
    }
    if (!this.disable_idle_d3) await pm_runtime_get_noresume(dev);

    await pm_runtime_forbid(dev);
  }
  await this.vfio_pci_vf_uninit(vdev);
  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_unregister_device() */
export async function vfio_pci_core_unregister_device(
  this: Kernel,
  vdev: vfio_pci_core_device,
): Promise<void> {
  await this.vfio_pci_core_sriov_configure(vdev, 0);

  await this.vfio_unregister_group_dev(vdev.vdev);

  await this.vfio_pci_vf_uninit(vdev);
  await this.vfio_pci_vga_uninit(vdev);

  if (!this.disable_idle_d3) await pm_runtime_get_noresume(vdev.pdev.dev);

  await pm_runtime_forbid(vdev.pdev.dev);
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_aer_err_detected() */
export async function vfio_pci_core_aer_err_detected(this: Kernel, pdev: pci_dev, state: int): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(pdev.dev);

  await mutex_lock(vdev.igate);

  if (vdev.err_trigger) await eventfd_signal(vdev.err_trigger, 1);

  await mutex_unlock(vdev.igate);

  return PCI_ERS_RESULT_CAN_RECOVER;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_sriov_configure() */
export async function vfio_pci_core_sriov_configure(
  this: Kernel,
  vdev: vfio_pci_core_device,
  nr_virtfn: int,
): Promise<int> {
  const { pdev } = vdev;
  let ret: int = 0;

  device_lock_assert(pdev.dev);

  out_unlock: {
    out_del: {
      if (nr_virtfn) {
        await mutex_lock(this.vfio_pci_sriov_pfs_mutex);
        // Who puts the device on the list is the only one to enable SR-IOV, and only once until it is disabled.
        if (!list_empty(vdev.sriov_pfs_item)) {
          ret = -EINVAL;
          break out_unlock;
        }
        list_add_tail(vdev.sriov_pfs_item, this.vfio_pci_sriov_pfs);
        await mutex_unlock(this.vfio_pci_sriov_pfs_mutex);

        // A PF must not be in a lower state than its VFs. It can be asleep because nobody uses it, or because its
        // user wrote PM_CTRL, which can happen at any moment: hence memory_lock.
        ret = await pm_runtime_resume_and_get(pdev.dev);
        if (ret) break out_del;

        await down_write(vdev.memory_lock);
        await this.vfio_pci_set_power_state(vdev, PCI_D0);
        ret = await pci_enable_sriov(pdev, nr_virtfn);
        await up_write(vdev.memory_lock);
        if (ret) {
          await pm_runtime_put(pdev.dev);
          break out_del;
        }
        return nr_virtfn;
      }

      if (pci_num_vf(pdev)) {
        await pci_disable_sriov(pdev);
        await pm_runtime_put(pdev.dev);
      }
    }
    await mutex_lock(this.vfio_pci_sriov_pfs_mutex);
    list_del_init(vdev.sriov_pfs_item);
  }
  await mutex_unlock(this.vfio_pci_sriov_pfs_mutex);
  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_dev_in_groups() */
export function vfio_dev_in_groups(
  this: Kernel,
  vdev: vfio_pci_core_device,
  groups: vfio_pci_group_info,
): boolean {
  for (let i = 0; i < groups.count; i++)
    if (this.vfio_file_has_dev(groups.files[i] as file, vdev.vdev)) return true;
  return false;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_is_device_in_set() */
export function vfio_pci_is_device_in_set(this: Kernel, pdev: pci_dev, data: unknown): int {
  const dev_set = data as vfio_device_set;

  for (const cur of list_for_each_entry(dev_set.device_list)) if (cur.dev === pdev.dev) return 0;
  return -EBUSY;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_dev_set_resettable() */
export async function vfio_pci_dev_set_resettable(
  this: Kernel,
  dev_set: vfio_device_set,
): Promise<pci_dev | null> {
  lockdep_assert_held(dev_set.lock);

  // All devices of a set share one reset, so any of them will do for asking.
  const { pdev } = container_of<vfio_pci_core_device>(list_first_entry(dev_set.device_list));

  if (pci_probe_reset_slot(pdev.slot) && pci_probe_reset_bus(pdev.bus)) return null;

  // A group is viable with pci-stub or a port driver on some of its devices, but here every device that is going
  // to be reset must be one of ours, or it could go away, or its driver would not know.
  if (
    await this.vfio_pci_for_each_slot_or_bus(
      pdev,
      (dev, data) => this.vfio_pci_is_device_in_set(dev, data),
      dev_set,
      !pci_probe_reset_slot(pdev.slot),
    )
  )
    return null;
  return pdev;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_dev_set_pm_runtime_get() */
export async function vfio_pci_dev_set_pm_runtime_get(this: Kernel, dev_set: vfio_device_set): Promise<int> {
  for (const core of list_for_each_entry(dev_set.device_list)) {
    const cur = container_of<vfio_pci_core_device>(core);
    const ret = await pm_runtime_resume_and_get(cur.pdev.dev);
    if (ret) {
      for (const got of list_for_each_entry_continue_reverse(core.dev_set_list, dev_set.device_list))
        await pm_runtime_put(container_of<vfio_pci_core_device>(got).pdev.dev);

      return ret;
    }
  }

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_dev_set_hot_reset() */
export async function vfio_pci_dev_set_hot_reset(
  this: Kernel,
  dev_set: vfio_device_set,
  groups: vfio_pci_group_info,
): Promise<int> {
  let cur_mem: vfio_pci_core_device | null;
  let cur_vma: vfio_pci_core_device | null = null;
  let is_mem = true;
  let ret: int;

  await mutex_lock(dev_set.lock);
  cur_mem = container_of<vfio_pci_core_device>(list_first_entry(dev_set.device_list));

  err_unlock: {
    const pdev = await this.vfio_pci_dev_set_resettable(dev_set);
    if (!pdev) {
      ret = -EINVAL;
      break err_unlock;
    }

    // Devices can share an mmap_lock: zap and hold vma_lock of all of them first, then take the memory_locks.
    err_undo: {
      for (const core of list_for_each_entry(dev_set.device_list)) {
        cur_vma = container_of<vfio_pci_core_device>(core);
        // the user has to own every device that is hit
        if (!this.vfio_dev_in_groups(cur_vma, groups)) {
          ret = -EINVAL;
          break err_undo;
        }

        // Locks of many devices at once: on contention back out instead of waiting.
        if (!(await this.vfio_pci_zap_and_vma_lock(cur_vma, true))) {
          ret = -EBUSY;
          break err_undo;
        }
      }
      cur_vma = null;

      for (const core of list_for_each_entry(dev_set.device_list)) {
        cur_mem = container_of<vfio_pci_core_device>(core);
        if (!(await down_write_trylock(cur_mem.memory_lock))) {
          ret = -EBUSY;
          break err_undo;
        }
        await mutex_unlock(cur_mem.vma_lock);
      }
      cur_mem = null;

      // As for VFIO_DEVICE_RESET: the reset itself would wake the devices without restoring pm_save.
      for (const core of list_for_each_entry(dev_set.device_list))
        await this.vfio_pci_set_power_state(container_of<vfio_pci_core_device>(core), PCI_D0);

      ret = await pci_reset_bus(pdev);
    }
    for (const core of list_for_each_entry(dev_set.device_list)) {
      const cur = container_of<vfio_pci_core_device>(core);
      if (cur === cur_mem) is_mem = false;
      if (cur === cur_vma) break;
      if (is_mem) await up_write(cur.memory_lock);
      else await mutex_unlock(cur.vma_lock);
    }
  }
  await mutex_unlock(dev_set.lock);
  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_dev_set_needs_reset() */
export function vfio_pci_dev_set_needs_reset(this: Kernel, dev_set: vfio_device_set): boolean {
  let needs_reset = false;

  for (const core of list_for_each_entry(dev_set.device_list)) {
    const cur = container_of<vfio_pci_core_device>(core);
    // one of them is in use
    if (cur.vdev.open_count) return false;
    needs_reset ||= cur.needs_reset;
  }
  return needs_reset;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_dev_set_try_reset() */
export async function vfio_pci_dev_set_try_reset(this: Kernel, dev_set: vfio_device_set): Promise<void> {
  let reset_done = false;

  if (!this.vfio_pci_dev_set_needs_reset(dev_set)) return;

  const pdev = await this.vfio_pci_dev_set_resettable(dev_set);
  if (!pdev) return;

  // Some of the set may be suspended: wake them all for the reset.
  if (!this.disable_idle_d3 && (await this.vfio_pci_dev_set_pm_runtime_get(dev_set))) return;

  if (!(await pci_reset_bus(pdev))) reset_done = true;

  for (const core of list_for_each_entry(dev_set.device_list)) {
    const cur = container_of<vfio_pci_core_device>(core);
    if (reset_done) cur.needs_reset = false;

    if (!this.disable_idle_d3) await pm_runtime_put(cur.pdev.dev);
  }
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_set_params() */
export function vfio_pci_core_set_params(
  this: Kernel,
  is_nointxmask: boolean,
  is_disable_vga: boolean,
  is_disable_idle_d3: boolean,
): void {
  this.nointxmask = is_nointxmask;
  this.disable_vga = is_disable_vga;
  this.disable_idle_d3 = is_disable_idle_d3;
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_core_cleanup() */
export function vfio_pci_core_cleanup(this: Kernel): void {
  this.vfio_pci_uninit_perm_bits();
}

/** C: drivers/vfio/pci/vfio_pci_core.c static vfio_pci_core_init() */
export function vfio_pci_core_init(this: Kernel): int {
  // permission tables of config space, shared by all devices
  return this.vfio_pci_init_perm_bits();
}
