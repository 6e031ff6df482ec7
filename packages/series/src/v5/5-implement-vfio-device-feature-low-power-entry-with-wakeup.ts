// SPDX-License-Identifier: GPL-2.0-only
/*
 * v5 5/5: ENTRY_WITH_WAKEUP. The first resume after it signals the eventfd, once, and ends low power: the device stays
 * awake until the user lets it sleep again. INTx is unmasked before.
 */

import type { int, u32 } from '@vfio-lab/sim';
import { down_write, lockdep_assert_held, up_write } from '@vfio-lab/locking';
import type { device, eventfd_ctx, user_ptr } from '@vfio-lab/kernel';
import {
  container_of,
  copy_from_user,
  dev_get_drvdata,
  EFAULT,
  EINVAL,
  ENOTTY,
  eventfd_ctx_fdget,
  eventfd_ctx_put,
  eventfd_signal,
  field_ref,
  IS_ERR,
  kfree,
  list_del,
  list_for_each_entry_safe,
  pci_info,
  PTR_ERR,
  sizeof,
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
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
  vfio_device_low_power_entry_with_wakeup,
} from './1-add-the-device-features-for-the-low-power-entry-and-exit.ts';

declare module '@vfio-lab/headers' {
  interface vfio_pci_core_device {
    /** What to signal when the device wakes; null: ENTRY without it. Under memory_lock. */
    pm_wake_eventfd_ctx: eventfd_ctx | null;
  }
  interface vfio_pci_core_c {
    vfio_pci_runtime_pm_entry(vdev: vfio_pci_core_device, efdctx: eventfd_ctx | null): Promise<int>;
    vfio_pci_core_pm_entry_with_wakeup(
      device: vfio_device,
      flags: u32,
      arg: user_ptr,
      argsz: number,
    ): Promise<int>;
    vfio_pci_runtime_pm_exit(vdev: vfio_pci_core_device, resume_callback: boolean): Promise<void>;
  }
}

export const patch: PatchInfo = {
  number: 5,
  subject: 'vfio/pci: Implement VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP',
  messageId: '20220719121523.21396-6-abhsahu@nvidia.com',
  date: '2022-07-19T12:15:23Z',
  files: ['drivers/vfio/pci/vfio_pci_core.c', 'include/linux/vfio_pci_core.h'],
  functions: {
    'drivers/vfio/pci/vfio_pci_core.c': [
      'vfio_pci_runtime_pm_entry',
      'vfio_pci_core_pm_entry',
      'vfio_pci_core_pm_entry_with_wakeup',
      'vfio_pci_runtime_pm_exit',
      'vfio_pci_core_pm_exit',
      'vfio_pci_core_runtime_resume',
      'vfio_pci_core_disable',
      'vfio_pci_core_ioctl_feature',
    ],
  },
};

export const fields = {
  vfio_pci_core_device: { pm_wake_eventfd_ctx: () => null },
};

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_runtime_pm_entry() */
export async function vfio_pci_runtime_pm_entry(
  this: Kernel,
  vdev: vfio_pci_core_device,
  efdctx: eventfd_ctx | null,
): Promise<int> {
  // memory_lock protects the low power state.
  await this.vfio_pci_zap_and_down_write_memory_lock(vdev);
  if (vdev.pm_runtime_engaged) {
    await up_write(vdev.memory_lock);
    return -EINVAL;
  }

  vdev.pm_runtime_engaged = true;
  vdev.pm_wake_eventfd_ctx = efdctx;
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
  return await this.vfio_pci_runtime_pm_entry(vdev, null);
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_pm_entry_with_wakeup() */
export async function vfio_pci_core_pm_entry_with_wakeup(
  this: Kernel,
  device: vfio_device,
  flags: u32,
  arg: user_ptr,
  argsz: number,
): Promise<int> {
  const vdev = container_of<vfio_pci_core_device>(device);
  const entry = new vfio_device_low_power_entry_with_wakeup();

  let ret = vfio_check_feature(
    flags,
    argsz,
    VFIO_DEVICE_FEATURE_SET,
    sizeof(vfio_device_low_power_entry_with_wakeup),
  );
  if (ret !== 1) return ret;

  if (copy_from_user(entry, arg, sizeof(vfio_device_low_power_entry_with_wakeup))) return -EFAULT;

  if (entry.wakeup_eventfd < 0) return -EINVAL;

  const efdctx = await eventfd_ctx_fdget(entry.wakeup_eventfd);
  if (IS_ERR(efdctx)) return PTR_ERR(efdctx);

  ret = await this.vfio_pci_runtime_pm_entry(vdev, efdctx);
  if (ret) await eventfd_ctx_put(efdctx);

  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_runtime_pm_exit() */
export async function vfio_pci_runtime_pm_exit(
  this: Kernel,
  vdev: vfio_pci_core_device,
  resume_callback: boolean,
): Promise<void> {
  // memory_lock protects the low power state.
  await down_write(vdev.memory_lock);
  if (resume_callback && !vdev.pm_wake_eventfd_ctx) {
    await up_write(vdev.memory_lock);
    return;
  }

  if (vdev.pm_runtime_engaged) {
    vdev.pm_runtime_engaged = false;
    await pm_runtime_get_noresume(vdev.pdev.dev);
  }

  if (vdev.pm_wake_eventfd_ctx) {
    if (resume_callback) await eventfd_signal(vdev.pm_wake_eventfd_ctx, 1);

    await eventfd_ctx_put(vdev.pm_wake_eventfd_ctx);
    vdev.pm_wake_eventfd_ctx = null;
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

  // The ioctl has woken the device already. If it was asleep, and the user wanted to be told, the resume callback has done
  // everything; otherwise this takes the user's reference back.
  await this.vfio_pci_runtime_pm_exit(vdev, false);
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_resume() */
export async function vfio_pci_core_runtime_resume(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  if (vdev.pm_intx_masked) await this.vfio_pci_intx_unmask(vdev);

  // the end of low power for who wanted to be told of it; otherwise nothing
  await this.vfio_pci_runtime_pm_exit(vdev, true);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_disable() */
export async function vfio_pci_core_disable(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  const { pdev } = vdev;

  // needs_reset is shared by the set
  lockdep_assert_held(vdev.vdev.dev_set.lock);

  // In low power the user's reference is gone: take it back, which is the one that is put at the end, and wake the
  // device.
  await this.vfio_pci_runtime_pm_exit(vdev, false);
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
    case VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP:
      return await this.vfio_pci_core_pm_entry_with_wakeup(device, flags, arg, argsz);
    case VFIO_DEVICE_FEATURE_LOW_POWER_EXIT:
      return await this.vfio_pci_core_pm_exit(device, flags, arg, argsz);
    default:
      return -ENOTTY;
  }
}
