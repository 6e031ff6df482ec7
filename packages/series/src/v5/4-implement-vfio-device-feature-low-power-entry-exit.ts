// SPDX-License-Identifier: GPL-2.0-only
/*
 * v5 4/5: ENTRY gives up the reference of the open file, so that the device may suspend as deep as the platform can; every
 * access takes a reference for its time; EXIT takes the one of the file back.
 */

import type { int, u32 } from '@vfio-lab/sim';
import {
  down_read,
  down_write,
  lockdep_assert_held,
  mutex_lock,
  mutex_unlock,
  up_read,
  up_write,
} from '@vfio-lab/locking';
import type { user_ptr, vm_fault } from '@vfio-lab/kernel';
import {
  container_of,
  EINVAL,
  ENOTTY,
  field_ref,
  io_remap_pfn_range,
  kfree,
  list_del,
  list_for_each_entry,
  list_for_each_entry_safe,
  pci_info,
  VM_FAULT_NOPAGE,
  VM_FAULT_OOM,
  VM_FAULT_SIGBUS,
  zap_vma_ptes,
} from '@vfio-lab/kernel';
import {
  pm_runtime_get_noresume,
  pm_runtime_put,
  pm_runtime_put_noidle,
  pm_runtime_resume,
} from '@vfio-lab/runtime-pm';
import {
  __pci_reset_function_locked,
  pci_clear_master,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_D0,
  pci_dev_trylock,
  pci_dev_unlock,
  pci_disable_device,
  pci_iounmap,
  pci_load_and_free_saved_state,
  pci_release_selected_regions,
  pci_restore_state,
  pci_save_state,
  PCI_STD_NUM_BARS,
  PCI_STD_RESOURCES,
  pci_write_config_word,
  release_resource,
} from '@vfio-lab/pci';
import type { Kernel, vfio_device, vfio_pci_core_device } from '@vfio-lab/headers';
import {
  vfio_check_feature,
  VFIO_DEVICE_FEATURE_MASK,
  VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
  VFIO_DEVICE_FEATURE_SET,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_NONE,
} from '@vfio-lab/headers';
import type { PatchInfo } from '../types.ts';
import {
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
} from './1-add-the-device-features-for-the-low-power-entry-and-exit.ts';

declare module '@vfio-lab/headers' {
  interface vfio_pci_core_device {
    /** The user has let the device sleep: the reference of the open file is gone. Under memory_lock. */
    pm_runtime_engaged: boolean;
  }
  interface vfio_pci_core_c {
    vfio_pci_runtime_pm_entry(vdev: vfio_pci_core_device): Promise<int>;
    vfio_pci_core_pm_entry(device: vfio_device, flags: u32, arg: user_ptr, argsz: number): Promise<int>;
    vfio_pci_runtime_pm_exit(vdev: vfio_pci_core_device): Promise<void>;
    vfio_pci_core_pm_exit(device: vfio_device, flags: u32, arg: user_ptr, argsz: number): Promise<int>;
  }
}

export const patch: PatchInfo = {
  number: 4,
  subject: 'vfio/pci: Implement VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY/EXIT',
  messageId: '20220719121523.21396-5-abhsahu@nvidia.com',
  date: '2022-07-19T12:15:22Z',
  files: ['drivers/vfio/pci/vfio_pci_core.c', 'include/linux/vfio_pci_core.h'],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': [
      'vfio_pci_runtime_pm_entry',
      'vfio_pci_core_pm_entry',
      'vfio_pci_runtime_pm_exit',
      'vfio_pci_core_pm_exit',
      'vfio_pci_core_runtime_suspend',
      'vfio_pci_core_disable',
      'vfio_pci_core_ioctl_feature',
      'vfio_pci_rw',
      'vfio_pci_mmap_fault',
      'vfio_pci_dev_set_hot_reset',
    ],
  },
};

export const fields = {
  vfio_pci_core_device: { pm_runtime_engaged: () => false },
};

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_runtime_pm_entry() */
export async function vfio_pci_runtime_pm_entry(this: Kernel, vdev: vfio_pci_core_device): Promise<int> {
  // memory_lock protects the low power state.
  await this.vfio_pci_zap_and_down_write_memory_lock(vdev);
  if (vdev.pm_runtime_engaged) {
    await up_write(vdev.memory_lock);
    return -EINVAL;
  }

  vdev.pm_runtime_engaged = true;
  await pm_runtime_put_noidle(vdev.pdev.dev);
  await up_write(vdev.memory_lock);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_pm_entry() */
export async function vfio_pci_core_pm_entry(
  this: Kernel,
  device: vfio_device,
  flags: u32,
  arg: user_ptr,
  argsz: number,
): Promise<int> {
  const vdev = container_of<vfio_pci_core_device>(device);

  const ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_SET, 0);
  if (ret !== 1) return ret;

  // This gives up the user's reference; the put at the end of the ioctl is the one that lets the device suspend.
  return await this.vfio_pci_runtime_pm_entry(vdev);
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_runtime_pm_exit() */
export async function vfio_pci_runtime_pm_exit(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  // memory_lock protects the low power state.
  await down_write(vdev.memory_lock);
  if (vdev.pm_runtime_engaged) {
    vdev.pm_runtime_engaged = false;
    await pm_runtime_get_noresume(vdev.pdev.dev);
  }

  await up_write(vdev.memory_lock);
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_pm_exit() */
export async function vfio_pci_core_pm_exit(
  this: Kernel,
  device: vfio_device,
  flags: u32,
  arg: user_ptr,
  argsz: number,
): Promise<int> {
  const vdev = container_of<vfio_pci_core_device>(device);

  const ret = vfio_check_feature(flags, argsz, VFIO_DEVICE_FEATURE_SET, 0);
  if (ret !== 1) return ret;

  // The ioctl has woken the device already: this takes the user's reference back.
  await this.vfio_pci_runtime_pm_exit(vdev);
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_disable() */
export async function vfio_pci_core_disable(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  const { pdev } = vdev;

  // needs_reset is shared by the set
  lockdep_assert_held(vdev.vdev.dev_set.lock);

  // In low power the user's reference is gone: take it back, which is the one that is put at the end, and wake the
  // device.
  await this.vfio_pci_runtime_pm_exit(vdev);
  await pm_runtime_resume(pdev.dev);

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
    case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY:
      return await this.vfio_pci_core_pm_entry(device, flags, arg, argsz);
    case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
      return await this.vfio_pci_core_pm_exit(device, flags, arg, argsz);
    default:
      return -ENOTTY;
  }
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_mmap_fault() */
export async function vfio_pci_mmap_fault(this: Kernel, vmf: vm_fault): Promise<int> {
  const { vma } = vmf;
  const vdev = vma.vm_private_data as vfio_pci_core_device;
  let ret = VM_FAULT_NOPAGE;

  await mutex_lock(vdev.vma_lock);
  await down_read(vdev.memory_lock);

  up_out: {
    // In low power nothing is mapped: an access through a mapping has no end at which to put a reference.
    if (vdev.pm_runtime_engaged || !this.__vfio_pci_memory_enabled(vdev)) {
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

// as in v4 4/6
export {
  vfio_pci_core_runtime_suspend,
  vfio_pci_rw,
  vfio_pci_dev_set_hot_reset,
} from '../v4/4-add-the-support-for-pci-d3cold-state.ts';
