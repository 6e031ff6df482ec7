// SPDX-License-Identifier: GPL-2.0-only
/*
 * v3 8/8: the low power feature. ENTER, from D3hot only, gives up the reference of the open file, so that the device may
 * suspend as deep as the platform can; config space takes a reference for its time; EXIT takes the one of the file back.
 *
 * power_state_d3 is of v3 1/8, in whose place the base asks for the power state of the PCI core. That cannot be done here:
 * the flag stays set while the device is in low power, whoever wakes it, and EXIT clears it.
 */

import type { int, Ref, u16, u32 } from '@vfio-lab/sim';
import { ref } from '@vfio-lab/sim';
import { down_read, down_write, lockdep_assert_held, up_read, up_write } from '@vfio-lab/locking';
import type { device, user_ptr } from '@vfio-lab/kernel';
import {
  container_of,
  copy_from_user,
  copy_to_user,
  dev_get_drvdata,
  EBUSY,
  EFAULT,
  EINVAL,
  ENOTTY,
  field_ref,
  kfree,
  le16_to_cpu,
  list_del,
  list_for_each_entry_safe,
  pci_info,
  sizeof,
  ustruct,
} from '@vfio-lab/kernel';
import {
  pm_runtime_get_noresume,
  pm_runtime_put,
  pm_runtime_put_noidle,
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
  pci_num_vf,
  pci_release_selected_regions,
  pci_restore_state,
  pci_save_state,
  pci_set_power_state,
  PCI_STD_NUM_BARS,
  PCI_STD_RESOURCES,
  pci_store_saved_state,
  pci_write_config_word,
  release_resource,
} from '@vfio-lab/pci';
import type { Kernel, vfio_device, vfio_pci_core_device } from '@vfio-lab/headers';
import {
  is_intx,
  vfio_check_feature,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_MASK,
  VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
  VFIO_DEVICE_FEATURE_SET,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_DATA_NONE,
  VFIO_PCI_OFFSET_TO_POS,
} from '@vfio-lab/headers';
import { le16_at } from '@vfio-lab/vfio-pci-config';
import type { PatchInfo } from '../types.ts';

declare module '@vfio-lab/headers' {
  interface vfio_pci_core_device {
    /** In D3hot or D3cold, as far as vfio did it. Under memory_lock. */
    power_state_d3: boolean;
    /** The user has let the device sleep: the reference of the open file is gone. */
    platform_pm_engaged: boolean;
  }
  interface vfio_pci_core_c {
    vfio_pci_core_feature_pm(device: vfio_device, flags: u32, arg: user_ptr, argsz: number): Promise<int>;
  }
}

export const patch: PatchInfo = {
  number: 8,
  subject: 'vfio/pci: Add the support for PCI D3cold state',
  messageId: '20220425092615.10133-9-abhsahu@nvidia.com',
  date: '2022-04-25T09:26:15Z',
  files: [
    'drivers/vfio/pci/vfio_pci_config.c',
    'drivers/vfio/pci/vfio_pci_core.c',
    'include/linux/vfio_pci_core.h',
    'include/uapi/linux/vfio.h',
  ],
  functions: {
    'drivers/vfio/pci/vfio_pci_config.c': ['__vfio_pci_memory_enabled', 'vfio_pci_config_rw'],
    'drivers/vfio/pci/vfio_pci_core.c': [
      'vfio_pci_set_power_state',
      'vfio_pci_core_runtime_suspend',
      'vfio_pci_core_disable',
      'vfio_pci_core_feature_pm',
      'vfio_pci_core_ioctl_feature',
      'vfio_pci_dev_set_hot_reset',
    ],
  },
};

export const fields = {
  vfio_pci_core_device: { power_state_d3: () => false, platform_pm_engaged: () => false },
};

/** C: include/uapi/linux/vfio.h struct vfio_device_feature_power_management */
export const vfio_device_feature_power_management = ustruct('vfio_device_feature_power_management', {
  low_power_state: 'u64',
});
export type vfio_device_feature_power_management = InstanceType<typeof vfio_device_feature_power_management>;

export const VFIO_DEVICE_LOW_POWER_STATE_EXIT = 0n;
export const VFIO_DEVICE_LOW_POWER_STATE_ENTER = 1n;

export const VFIO_DEVICE_FEATURE_POWER_MANAGEMENT = 3;

/** C: drivers/vfio/pci/vfio_pci_config.c __vfio_pci_memory_enabled() */
export function __vfio_pci_memory_enabled(this: Kernel, vdev: vfio_pci_core_device): boolean {
  const pdev = vdev.pdev;
  const cmd: u16 = le16_to_cpu(le16_at(vdev.vconfig, PCI_COMMAND).v);

  // In D3 the memory is out of reach. A VF has no memory enable bit of its own (the PF's SR-IOV capability has it),
  // so its virtual one is no reason to refuse.
  return !vdev.power_state_d3 && (pdev.no_command_memory || (cmd & PCI_COMMAND_MEMORY) !== 0);
}

/** C: drivers/vfio/pci/vfio_pci_config.c vfio_pci_config_rw() */
export async function vfio_pci_config_rw(
  this: Kernel,
  vdev: vfio_pci_core_device,
  buf: user_ptr,
  count: number,
  ppos: Ref<number>,
  iswrite: boolean,
): Promise<int> {
  const { dev } = vdev.pdev;
  let done = 0;
  let ret = 0;
  const pos: Ref<number> = ref(VFIO_PCI_OFFSET_TO_POS(ppos.v));

  ret = await pm_runtime_resume_and_get(dev);
  if (ret < 0) return ret;

  while (count) {
    ret = await this.vfio_config_do_rw(vdev, buf, count, pos, iswrite);
    if (ret < 0) {
      await pm_runtime_put(dev);
      return ret;
    }

    count -= ret;
    done += ret;
    buf += ret;
    pos.v += ret;
  }

  await pm_runtime_put(dev);
  ppos.v += done;

  return done;
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
    // In low power the flag stays as it is, until the user asks for the exit.
    if (!vdev.platform_pm_engaged) vdev.power_state_d3 = pdev.current_state >= PCI_D3hot;

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

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_suspend() */
export async function vfio_pci_core_runtime_suspend(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  await down_read(vdev.memory_lock);

  // nobody uses the device
  if (!vdev.platform_pm_engaged) {
    await up_read(vdev.memory_lock);
    return 0;
  }

  // The guest has put the device in D3hot. From D0 the PCI core saves its state and picks the target itself, and a device
  // that loses its state (NoSoftRst-) gets back here what pm_save holds.
  await this.vfio_pci_set_power_state(vdev, PCI_D0);
  await up_read(vdev.memory_lock);

  // Only what is masked here is unmasked on resume, not what the user has masked before.
  vdev.pm_intx_masked = is_intx(vdev) && (await this.vfio_pci_intx_mask(vdev));

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_disable() */
export async function vfio_pci_core_disable(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  const { pdev } = vdev;

  // needs_reset is shared by the set
  lockdep_assert_held(vdev.vdev.dev_set.lock);

  // In low power the user's reference is gone: take it back, which is the one that is put at the end, and wake the
  // device.
  if (vdev.platform_pm_engaged) {
    await pm_runtime_resume_and_get(pdev.dev);
    vdev.platform_pm_engaged = false;
  }

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
    vfio_pm.low_power_state = vdev.platform_pm_engaged
      ? VFIO_DEVICE_LOW_POWER_STATE_ENTER
      : VFIO_DEVICE_LOW_POWER_STATE_EXIT;
    await up_read(vdev.memory_lock);
    if (copy_to_user(arg, vfio_pm, sizeof(vfio_device_feature_power_management))) return -EFAULT;
    return 0;
  }

  if (copy_from_user(vfio_pm, arg, sizeof(vfio_device_feature_power_management))) return -EFAULT;

  // The errors are positive, and what works returns the 1 of vfio_check_feature().
  await down_write(vdev.memory_lock);
  switch (vfio_pm.low_power_state) {
    case VFIO_DEVICE_LOW_POWER_STATE_ENTER:
      if (!vdev.power_state_d3 || vdev.platform_pm_engaged) {
        ret = EINVAL;
        break;
      }

      vdev.platform_pm_engaged = true;

      // the put at the end of the ioctl is the one that lets the device suspend
      await pm_runtime_put_noidle(pdev.dev);
      break;

    case VFIO_DEVICE_LOW_POWER_STATE_EXIT:
      if (!vdev.platform_pm_engaged) {
        ret = EINVAL;
        break;
      }

      vdev.platform_pm_engaged = false;
      vdev.power_state_d3 = false;
      await pm_runtime_get_noresume(pdev.dev);
      break;

    default:
      ret = EINVAL;
      break;
  }

  await up_write(vdev.memory_lock);
  return ret;
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

// The bus reset wakes every device of the set, as in v4 4/6.
export { vfio_pci_dev_set_hot_reset } from '../v4/4-add-the-support-for-pci-d3cold-state.ts';
