// SPDX-License-Identifier: GPL-2.0-only
/*
 * v4 5/6: some devices must not go to sleep without their driver in the guest. After a wake by the host they stay awake
 * until the guest's EXIT.
 */

import type { int, u32 } from '@vfio-lab/sim';
import { down_read, down_write, lockdep_assert_held, up_read, up_write } from '@vfio-lab/locking';
import type { device, user_ptr } from '@vfio-lab/kernel';
import {
  container_of,
  copy_from_user,
  copy_to_user,
  dev_get_drvdata,
  EFAULT,
  EINVAL,
  field_ref,
  kfree,
  list_del,
  list_for_each_entry_safe,
  pci_info,
  sizeof,
} from '@vfio-lab/kernel';
import {
  pm_runtime_get_noresume,
  pm_runtime_put,
  pm_runtime_put_noidle,
  pm_runtime_resume,
} from '@vfio-lab/runtime-pm';
import type { pci_dev } from '@vfio-lab/pci';
import {
  __pci_reset_function_locked,
  PCI_BASE_CLASS_DISPLAY,
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
  PCI_VENDOR_ID_NVIDIA,
  pci_write_config_word,
  release_resource,
} from '@vfio-lab/pci';
import type { Kernel, vfio_device, vfio_pci_core_device } from '@vfio-lab/headers';
import {
  vfio_check_feature,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_SET,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_NONE,
} from '@vfio-lab/headers';
import type { PatchInfo } from '../types.ts';
import {
  vfio_device_feature_power_management,
  VFIO_PM_LOW_POWER_ENTER,
  VFIO_PM_LOW_POWER_EXIT,
  VFIO_PM_LOW_POWER_REENTERY_DISABLE,
} from './2-add-a-new-device-feature-for-the-power-management.ts';

declare module '@vfio-lab/headers' {
  interface vfio_pci_core_device {
    /** A wake that was not the guest's has pinned the device awake, taking the reference of the open file. */
    pm_runtime_resumed: boolean;
    /** May it suspend again by itself after such a wake? Set by every ENTER. */
    pm_runtime_reentry_allowed: boolean;
  }
  interface vfio_pci_core_c {
    vfio_pci_low_power_reentry_allowed(pdev: pci_dev): boolean;
  }
}

export const patch: PatchInfo = {
  number: 5,
  subject: 'vfio/pci: Prevent low power re-entry without guest driver',
  messageId: '20220701110814.7310-6-abhsahu@nvidia.com',
  date: '2022-07-01T11:08:13Z',
  files: ['drivers/vfio/pci/vfio_pci_core.c', 'include/linux/vfio_pci_core.h'],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': [
      'vfio_pci_low_power_reentry_allowed',
      'vfio_pci_core_runtime_resume',
      'vfio_pci_core_disable',
      'vfio_pci_pm_validate_flags',
      'vfio_pci_core_feature_pm',
    ],
  },
};

export const fields = {
  vfio_pci_core_device: { pm_runtime_resumed: () => false, pm_runtime_reentry_allowed: () => false },
};

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_low_power_reentry_allowed() */
export function vfio_pci_low_power_reentry_allowed(this: Kernel, pdev: pci_dev): boolean {
  // NVIDIA display devices need their driver for every way into D3cold; their audio functions and the rest do not.
  if (pdev.vendor === PCI_VENDOR_ID_NVIDIA && pdev.class >>> 16 === PCI_BASE_CLASS_DISPLAY) return false;

  return true;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_resume() */
export async function vfio_pci_core_runtime_resume(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  if (vdev.pm_intx_masked) await this.vfio_pci_intx_unmask(vdev);

  await down_write(vdev.memory_lock);

  // EXIT and close clear pm_runtime_engaged before they wake the device; so this wake is not the guest's. If the device
  // must not go back to sleep without the guest, hold it awake.
  if (vdev.pm_runtime_engaged && !vdev.pm_runtime_reentry_allowed) {
    await pm_runtime_get_noresume(dev);
    vdev.pm_runtime_resumed = true;
  }
  await up_write(vdev.memory_lock);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_disable() */
export async function vfio_pci_core_disable(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  const { pdev } = vdev;
  let do_resume = false;

  // needs_reset is shared by the set
  lockdep_assert_held(vdev.vdev.dev_set.lock);

  // In low power the user's reference is gone: take it back, which is the one that is put at the end. When a wake has
  // pinned the device, the resume callback has taken it already.
  await down_write(vdev.memory_lock);
  if (vdev.pm_runtime_engaged) {
    if (!vdev.pm_runtime_resumed) {
      await pm_runtime_get_noresume(pdev.dev);
      do_resume = true;
    }
    vdev.pm_runtime_resumed = false;
    vdev.pm_runtime_engaged = false;
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
  if (flags & ~(VFIO_PM_LOW_POWER_ENTER | VFIO_PM_LOW_POWER_EXIT | VFIO_PM_LOW_POWER_REENTERY_DISABLE))
    return -EINVAL;
  // in and out at once
  if (
    (flags & (VFIO_PM_LOW_POWER_ENTER | VFIO_PM_LOW_POWER_EXIT)) ===
    (VFIO_PM_LOW_POWER_ENTER | VFIO_PM_LOW_POWER_EXIT)
  )
    return -EINVAL;
  // it qualifies the way in
  if (flags & VFIO_PM_LOW_POWER_REENTERY_DISABLE && !(flags & VFIO_PM_LOW_POWER_ENTER)) return -EINVAL;

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
    if (vdev.pm_runtime_engaged) {
      vfio_pm.flags = VFIO_PM_LOW_POWER_ENTER;
      if (!vdev.pm_runtime_reentry_allowed) vfio_pm.flags |= VFIO_PM_LOW_POWER_REENTERY_DISABLE;
    } else {
      vfio_pm.flags = VFIO_PM_LOW_POWER_EXIT;
      if (!this.vfio_pci_low_power_reentry_allowed(pdev)) vfio_pm.flags |= VFIO_PM_LOW_POWER_REENTERY_DISABLE;
    }
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
    vdev.pm_runtime_resumed = false;

    // After a wake by the host the device would go back to sleep by itself: may it?
    vdev.pm_runtime_reentry_allowed =
      this.vfio_pci_low_power_reentry_allowed(pdev) && !(vfio_pm.flags & VFIO_PM_LOW_POWER_REENTERY_DISABLE);

    await up_write(vdev.memory_lock);
    await pm_runtime_put(pdev.dev);
  } else if (vfio_pm.flags & VFIO_PM_LOW_POWER_EXIT) {
    await down_write(vdev.memory_lock);
    if (!vdev.pm_runtime_engaged) {
      await up_write(vdev.memory_lock);
      return -EINVAL;
    }

    vdev.pm_runtime_engaged = false;
    if (vdev.pm_runtime_resumed) {
      vdev.pm_runtime_resumed = false;
      await up_write(vdev.memory_lock);
      return 0;
    }

    // The resume callback wants memory_lock, so the resume comes after the unlock; the count goes up before it, or a
    // wake by the host in between could end in a suspend that nobody asked for.
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
