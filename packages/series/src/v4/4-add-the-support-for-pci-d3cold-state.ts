// SPDX-License-Identifier: GPL-2.0-only
/*
 * v4 4/6: the low power feature. ENTER gives up the reference of the open file, so that the device may suspend as deep
 * as the platform can; every access takes a reference for its time; EXIT takes the one of the file back.
 */

import type { int, Ref, u16, u32 } from '@vfio-lab/sim';
import {
  down_read,
  down_write,
  down_write_trylock,
  lockdep_assert_held,
  mutex_lock,
  mutex_unlock,
  up_read,
  up_write,
} from '@vfio-lab/locking';
import type { device, user_ptr } from '@vfio-lab/kernel';
import {
  container_of,
  copy_from_user,
  copy_to_user,
  dev_get_drvdata,
  EBUSY,
  EFAULT,
  EINVAL,
  EIO,
  ENOTTY,
  field_ref,
  kfree,
  le16_to_cpu,
  list_del,
  list_first_entry,
  list_for_each_entry,
  list_for_each_entry_safe,
  pci_info,
  pci_info_ratelimited,
  sizeof,
} from '@vfio-lab/kernel';
import {
  pm_runtime_get_noresume,
  pm_runtime_put,
  pm_runtime_put_noidle,
  pm_runtime_resume,
  pm_runtime_resume_and_get,
} from '@vfio-lab/runtime-pm';
import {
  __pci_reset_function_locked,
  pci_clear_master,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_MEMORY,
  PCI_D0,
  PCI_D3hot,
  pci_dev_trylock,
  pci_dev_unlock,
  pci_disable_device,
  pci_iounmap,
  pci_load_and_free_saved_state,
  pci_release_selected_regions,
  pci_reset_bus,
  pci_restore_state,
  pci_save_state,
  PCI_STD_NUM_BARS,
  PCI_STD_RESOURCES,
  pci_write_config_word,
  release_resource,
} from '@vfio-lab/pci';
import type {
  Kernel,
  vfio_device,
  vfio_device_set,
  vfio_pci_core_device,
  vfio_pci_group_info,
} from '@vfio-lab/headers';
import {
  is_intx,
  vfio_check_feature,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_MASK,
  VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
  VFIO_DEVICE_FEATURE_SET,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_PCI_BAR1_REGION_INDEX,
  VFIO_PCI_BAR2_REGION_INDEX,
  VFIO_PCI_BAR3_REGION_INDEX,
  VFIO_PCI_BAR4_REGION_INDEX,
  VFIO_PCI_BAR5_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_OFFSET_TO_INDEX,
  VFIO_PCI_ROM_REGION_INDEX,
  VFIO_PCI_VGA_REGION_INDEX,
} from '@vfio-lab/headers';
import { le16_at } from '@vfio-lab/vfio-pci-config';
import type { PatchInfo } from '../types.ts';
import {
  VFIO_DEVICE_FEATURE_POWER_MANAGEMENT,
  vfio_device_feature_power_management,
  VFIO_PM_LOW_POWER_ENTER,
  VFIO_PM_LOW_POWER_EXIT,
} from './2-add-a-new-device-feature-for-the-power-management.ts';

declare module '@vfio-lab/headers' {
  interface vfio_pci_core_device {
    /** The user has let the device sleep: the reference of the open file is gone. Under memory_lock. */
    pm_runtime_engaged: boolean;
  }
  interface vfio_pci_core_c {
    vfio_pci_pm_validate_flags(flags: u32): int;
    vfio_pci_core_feature_pm(device: vfio_device, flags: u32, arg: user_ptr, argsz: number): Promise<int>;
  }
}

export const patch: PatchInfo = {
  number: 4,
  subject: 'vfio/pci: Add the support for PCI D3cold state',
  messageId: '20220701110814.7310-5-abhsahu@nvidia.com',
  date: '2022-07-01T11:08:12Z',
  files: [
    'drivers/vfio/pci/vfio_pci_config.c',
    'drivers/vfio/pci/vfio_pci_core.c',
    'include/linux/vfio_pci_core.h',
  ],
  functions: {
    'drivers/vfio/pci/vfio_pci_config.c': ['__vfio_pci_memory_enabled'],
    'drivers/vfio/pci/vfio_pci_core.c': [
      'vfio_pci_core_runtime_suspend',
      'vfio_pci_core_disable',
      'vfio_pci_pm_validate_flags',
      'vfio_pci_core_feature_pm',
      'vfio_pci_core_ioctl_feature',
      'vfio_pci_rw',
      'vfio_pci_dev_set_hot_reset',
    ],
  },
};

export const fields = {
  vfio_pci_core_device: { pm_runtime_engaged: () => false },
};

/** C: drivers/vfio/pci/vfio_pci_config.c __vfio_pci_memory_enabled() */
export function __vfio_pci_memory_enabled(this: Kernel, vdev: vfio_pci_core_device): boolean {
  const pdev = vdev.pdev;
  const cmd: u16 = le16_to_cpu(le16_at(vdev.vconfig, PCI_COMMAND).v);

  // In D3 the memory is out of reach. A VF has no memory enable bit of its own (the PF's SR-IOV capability has it),
  // so its virtual one is no reason to refuse.
  return (
    !vdev.pm_runtime_engaged &&
    pdev.current_state < PCI_D3hot &&
    (pdev.no_command_memory || (cmd & PCI_COMMAND_MEMORY) !== 0)
  );
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_suspend() */
export async function vfio_pci_core_runtime_suspend(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  await down_write(vdev.memory_lock);
  // The guest may have put the device in D3hot. From D0 the PCI core saves its state and picks the target itself, and
  // a device that loses its state (NoSoftRst-) gets back here what pm_save holds.
  await this.vfio_pci_set_power_state(vdev, PCI_D0);
  await up_write(vdev.memory_lock);

  // Only what is masked here is unmasked on resume, not what the user has masked before.
  vdev.pm_intx_masked = is_intx(vdev) && (await this.vfio_pci_intx_mask(vdev));

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_disable() */
export async function vfio_pci_core_disable(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  const { pdev } = vdev;
  let do_resume = false;

  // needs_reset is shared by the set
  lockdep_assert_held(vdev.vdev.dev_set.lock);

  // In low power the user's reference is gone: take it back, which is the one that is put at the end.
  await down_write(vdev.memory_lock);
  if (vdev.pm_runtime_engaged) {
    vdev.pm_runtime_engaged = false;
    await pm_runtime_get_noresume(pdev.dev);
    do_resume = true;
  }
  await up_write(vdev.memory_lock);

  if (do_resume) await pm_runtime_resume(pdev.dev);

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

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_pm_validate_flags() */
export function vfio_pci_pm_validate_flags(this: Kernel, flags: u32): int {
  if (!flags) return -EINVAL;
  // flags that mean nothing
  if (flags & ~(VFIO_PM_LOW_POWER_ENTER | VFIO_PM_LOW_POWER_EXIT)) return -EINVAL;
  // in and out at once
  if (
    (flags & (VFIO_PM_LOW_POWER_ENTER | VFIO_PM_LOW_POWER_EXIT)) ===
    (VFIO_PM_LOW_POWER_ENTER | VFIO_PM_LOW_POWER_EXIT)
  )
    return -EINVAL;

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_feature_pm() */
export async function vfio_pci_core_feature_pm(
  this: Kernel,
  device: vfio_device,
  flags: u32,
  arg: user_ptr,
  argsz: number,
): Promise<int> {
  const vdev = container_of<vfio_pci_core_device>(device);
  const { pdev } = vdev;
  const vfio_pm = new vfio_device_feature_power_management();

  let ret = vfio_check_feature(
    flags,
    argsz,
    VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_GET,
    sizeof(vfio_device_feature_power_management),
  );
  if (ret !== 1) return ret;

  if (flags & VFIO_DEVICE_FEATURE_GET) {
    await down_read(vdev.memory_lock);
    if (vdev.pm_runtime_engaged) vfio_pm.flags = VFIO_PM_LOW_POWER_ENTER;
    else vfio_pm.flags = VFIO_PM_LOW_POWER_EXIT;
    await up_read(vdev.memory_lock);

    if (copy_to_user(arg, vfio_pm, sizeof(vfio_device_feature_power_management))) return -EFAULT;

    return 0;
  }

  if (copy_from_user(vfio_pm, arg, sizeof(vfio_device_feature_power_management))) return -EFAULT;

  ret = this.vfio_pci_pm_validate_flags(vfio_pm.flags);
  if (ret) return ret;

  // memory_lock protects the low power state.
  if (vfio_pm.flags & VFIO_PM_LOW_POWER_ENTER) {
    await this.vfio_pci_zap_and_down_write_memory_lock(vdev);
    if (vdev.pm_runtime_engaged) {
      await up_write(vdev.memory_lock);
      return -EINVAL;
    }

    vdev.pm_runtime_engaged = true;
    await up_write(vdev.memory_lock);
    await pm_runtime_put(pdev.dev);
  } else if (vfio_pm.flags & VFIO_PM_LOW_POWER_EXIT) {
    await down_write(vdev.memory_lock);
    if (!vdev.pm_runtime_engaged) {
      await up_write(vdev.memory_lock);
      return -EINVAL;
    }

    vdev.pm_runtime_engaged = false;
    await pm_runtime_get_noresume(pdev.dev);
    await up_write(vdev.memory_lock);
    ret = await pm_runtime_resume(pdev.dev);
    if (ret < 0) {
      await down_write(vdev.memory_lock);
      if (!vdev.pm_runtime_engaged) {
        vdev.pm_runtime_engaged = true;
        await pm_runtime_put_noidle(pdev.dev);
      }
      await up_write(vdev.memory_lock);
      return ret;
    }
  } else {
    return -EINVAL;
  }

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
    case VFIO_DEVICE_FEATURE_POWER_MANAGEMENT:
      return await this.vfio_pci_core_feature_pm(device, flags, arg, argsz);
    default:
      return -ENOTTY;
  }
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_rw() */
export async function vfio_pci_rw(
  this: Kernel,
  vdev: vfio_pci_core_device,
  buf: user_ptr,
  count: number,
  ppos: Ref<number>,
  iswrite: boolean,
): Promise<number> {
  let index = VFIO_PCI_OFFSET_TO_INDEX(ppos.v);
  let ret: number;

  if (index >= VFIO_PCI_NUM_REGIONS + vdev.num_regions) return -EINVAL;

  ret = await pm_runtime_resume_and_get(vdev.pdev.dev);
  if (ret < 0) {
    pci_info_ratelimited(vdev.pdev, `runtime resume failed ${ret}\n`);
    return -EIO;
  }

  switch (index) {
    case VFIO_PCI_CONFIG_REGION_INDEX:
      ret = await this.vfio_pci_config_rw(vdev, buf, count, ppos, iswrite);
      break;

    case VFIO_PCI_ROM_REGION_INDEX:
      if (iswrite) ret = -EINVAL;
      else ret = await this.vfio_pci_bar_rw(vdev, buf, count, ppos, false);
      break;

    case VFIO_PCI_BAR0_REGION_INDEX:
    case VFIO_PCI_BAR1_REGION_INDEX:
    case VFIO_PCI_BAR2_REGION_INDEX:
    case VFIO_PCI_BAR3_REGION_INDEX:
    case VFIO_PCI_BAR4_REGION_INDEX:
    case VFIO_PCI_BAR5_REGION_INDEX:
      ret = await this.vfio_pci_bar_rw(vdev, buf, count, ppos, iswrite);
      break;

    case VFIO_PCI_VGA_REGION_INDEX:
      ret = await this.vfio_pci_vga_rw(vdev, buf, count, ppos, iswrite);
      break;

    default:
      index -= VFIO_PCI_NUM_REGIONS;
      ret = await (vdev.region ?? [])[index].ops.rw(vdev, buf, count, ppos, iswrite);
      break;
  }

  await pm_runtime_put(vdev.pdev.dev);
  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_dev_set_hot_reset() */
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

    // Some of the set may be suspended: wake them all for the reset.
    ret = await this.vfio_pci_dev_set_pm_runtime_get(dev_set);
    if (ret) break err_unlock;

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

    for (const core of list_for_each_entry(dev_set.device_list))
      await pm_runtime_put(container_of<vfio_pci_core_device>(core).pdev.dev);
  }
  await mutex_unlock(dev_set.lock);
  return ret;
}
