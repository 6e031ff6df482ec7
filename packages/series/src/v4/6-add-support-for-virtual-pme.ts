// SPDX-License-Identifier: GPL-2.0-only
/*
 * v4 6/6: a virtual PME. A wake by the host sets PME_Status in virtual config space and, when the guest has enabled PME
 * and given an eventfd, signals that and holds the device awake.
 */

import type { int, Ref, u16, u32, u8 } from '@vfio-lab/sim';
import { ref } from '@vfio-lab/sim';
import { down_write, mutex_lock, mutex_unlock, up_write } from '@vfio-lab/locking';
import type { device, eventfd_ctx, file, user_ptr } from '@vfio-lab/kernel';
import {
  array_index_nospec,
  BUILD_BUG_ON,
  container_of,
  copy_from_user,
  copy_to_user,
  cpu_to_le16,
  dev_get_drvdata,
  EBADF,
  EFAULT,
  EINVAL,
  ENODEV,
  ENOMEM,
  ENOSPC,
  ENOTTY,
  eventfd_ctx_put,
  eventfd_signal,
  fget,
  field_ref,
  fput,
  GFP_KERNEL,
  hweight8,
  IS_ENABLED,
  IS_ERR,
  kcalloc,
  kfree,
  kzalloc_bytes,
  le16_to_cpu,
  le32_to_cpu,
  memdup_user,
  memset,
  offsetofend,
  pci_info,
  pci_warn,
  PTR_ERR,
  sizeof,
  WARN_ON,
} from '@vfio-lab/kernel';
import { pm_runtime_get_noresume } from '@vfio-lab/runtime-pm';
import type { pci_power_t } from '@vfio-lab/pci';
import {
  IORESOURCE_ROM_SHADOW,
  PCI_CAP_ID_MAX,
  PCI_CAP_ID_PM,
  PCI_CAP_LIST_NEXT,
  PCI_CAP_SIZEOF,
  PCI_CAPABILITY_LIST,
  PCI_CFG_SPACE_SIZE,
  PCI_D0,
  PCI_D1,
  PCI_D2,
  PCI_D3hot,
  PCI_INTERRUPT_PIN,
  pci_is_pcie,
  pci_map_rom,
  PCI_MSI_FLAGS,
  PCI_MSI_FLAGS_QMASK,
  PCI_MSIX_FLAGS,
  PCI_MSIX_FLAGS_QSIZE,
  PCI_PM_CAP_PME_MASK,
  PCI_PM_CTRL,
  PCI_PM_CTRL_PME_ENABLE,
  PCI_PM_CTRL_PME_STATUS,
  PCI_PM_CTRL_STATE_MASK,
  PCI_PM_PMC,
  pci_probe_reset_bus,
  pci_probe_reset_slot,
  pci_read_config_byte,
  pci_read_config_word,
  pci_resource_len,
  PCI_ROM_RESOURCE,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_STD_HEADER_SIZEOF,
  pci_try_reset_function,
  pci_unmap_rom,
} from '@vfio-lab/pci';
import type {
  irq_set_data,
  Kernel,
  perm_bits,
  vfio_device,
  vfio_pci_core_device,
  vfio_pci_fill_info,
  vfio_pci_group_info,
  vfio_pci_vf_token,
} from '@vfio-lab/headers';
import {
  PCI_CAP_ID_INVALID,
  PCI_CAP_ID_INVALID_VIRT,
  VFIO_DEVICE_FLAGS_CAPS,
  VFIO_DEVICE_FLAGS_PCI,
  VFIO_DEVICE_FLAGS_RESET,
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_GET_IRQ_INFO,
  VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
  VFIO_DEVICE_GET_REGION_INFO,
  vfio_device_info,
  VFIO_DEVICE_IOEVENTFD,
  vfio_device_ioeventfd,
  VFIO_DEVICE_IOEVENTFD_SIZE_MASK,
  VFIO_DEVICE_PCI_HOT_RESET,
  VFIO_DEVICE_RESET,
  VFIO_DEVICE_SET_IRQS,
  vfio_info_cap,
  vfio_iommu_type1_info,
  vfio_irq_info,
  VFIO_IRQ_INFO_AUTOMASKED,
  VFIO_IRQ_INFO_EVENTFD,
  VFIO_IRQ_INFO_MASKABLE,
  VFIO_IRQ_INFO_NORESIZE,
  vfio_irq_set,
  VFIO_IRQ_SET_ACTION_MASK,
  VFIO_IRQ_SET_ACTION_TRIGGER,
  VFIO_IRQ_SET_ACTION_TYPE_MASK,
  VFIO_IRQ_SET_ACTION_UNMASK,
  VFIO_PCI_BAR0_REGION_INDEX,
  VFIO_PCI_BAR1_REGION_INDEX,
  VFIO_PCI_BAR2_REGION_INDEX,
  VFIO_PCI_BAR3_REGION_INDEX,
  VFIO_PCI_BAR4_REGION_INDEX,
  VFIO_PCI_BAR5_REGION_INDEX,
  VFIO_PCI_CONFIG_REGION_INDEX,
  vfio_pci_dependent_device,
  VFIO_PCI_ERR_IRQ_INDEX,
  vfio_pci_hot_reset,
  vfio_pci_hot_reset_info,
  VFIO_PCI_INDEX_TO_OFFSET,
  vfio_pci_info_zdev_add_caps,
  VFIO_PCI_INTX_IRQ_INDEX,
  VFIO_PCI_MSI_IRQ_INDEX,
  VFIO_PCI_MSIX_IRQ_INDEX,
  VFIO_PCI_NUM_REGIONS,
  VFIO_PCI_REQ_IRQ_INDEX,
  VFIO_PCI_ROM_REGION_INDEX,
  VFIO_PCI_VGA_REGION_INDEX,
  vfio_region_info,
  VFIO_REGION_INFO_CAP_TYPE,
  vfio_region_info_cap_type,
  VFIO_REGION_INFO_FLAG_CAPS,
  VFIO_REGION_INFO_FLAG_MMAP,
  VFIO_REGION_INFO_FLAG_READ,
  VFIO_REGION_INFO_FLAG_WRITE,
  vfio_spapr_pci_eeh_release,
} from '@vfio-lab/headers';
import { array_bytes } from '@vfio-lab/vfio-pci-core';
import { le16_at, u8_at } from '@vfio-lab/vfio-pci-config';
import type { PatchInfo } from '../types.ts';

declare module '@vfio-lab/headers' {
  interface vfio_pci_core_device {
    /** Where the PM capability is; 0 in a device that has none. */
    pm_cap_offset: u8;
    /** Signalled by a wake that is not the guest's, while the guest has PME_En set. */
    pme_trigger: eventfd_ctx | null;
  }
  interface vfio_pci_intrs_c {
    vfio_pci_set_pme_trigger(
      vdev: vfio_pci_core_device,
      index: u32,
      start: u32,
      count: u32,
      flags: u32,
      data: irq_set_data,
    ): Promise<int>;
  }
}

export const patch: PatchInfo = {
  number: 6,
  subject: 'vfio/pci: Add support for virtual PME',
  messageId: '20220701110814.7310-7-abhsahu@nvidia.com',
  date: '2022-07-01T11:08:14Z',
  files: [
    'drivers/vfio/pci/vfio_pci_config.c',
    'drivers/vfio/pci/vfio_pci_core.c',
    'drivers/vfio/pci/vfio_pci_intrs.c',
    'include/linux/vfio_pci_core.h',
    'include/uapi/linux/vfio.h',
  ],
  functions: {
    'drivers/vfio/pci/vfio_pci_config.c': [
      'vfio_pm_config_write',
      'init_pci_cap_pm_perm',
      'vfio_update_pm_vconfig_bytes',
      'vfio_cap_init',
    ],
    'drivers/vfio/pci/vfio_pci_core.c': [
      'vfio_pci_core_runtime_resume',
      'vfio_pci_core_close_device',
      'vfio_pci_get_irq_count',
      'vfio_pci_core_ioctl',
    ],
    'drivers/vfio/pci/vfio_pci_intrs.c': ['vfio_pci_set_pme_trigger', 'vfio_pci_set_irqs_ioctl'],
  },
};

export const VFIO_PCI_PME_IRQ_INDEX = 5;

const CONFIG_VFIO_PCI_INTX: boolean = true;

function hex(x: number): string {
  return `0x${x.toString(16)}`;
}

export const fields = {
  vfio_pci_core_device: { pm_cap_offset: () => 0, pme_trigger: () => null },
};

export function statics(k: Kernel): Partial<Kernel> {
  return { VFIO_PCI_NUM_IRQS: VFIO_PCI_PME_IRQ_INDEX + 1 };
}

/** C: drivers/vfio/pci/vfio_pci_config.c vfio_pm_config_write() */
export async function vfio_pm_config_write(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: u32,
): Promise<int> {
  count = await this.vfio_default_config_write(vdev, pos, count, perm, offset, val);
  if (count < 0) return count;

  // Writing 1 to PME_Status clears it, in vconfig. It is in the upper byte, which may be written alone.
  if (offset <= PCI_PM_CTRL + 1 && offset + count > PCI_PM_CTRL + 1) {
    if (le32_to_cpu(val) & (PCI_PM_CTRL_PME_STATUS >> ((offset - PCI_PM_CTRL) * 8))) {
      const ctrl = le16_at(vdev.vconfig, vdev.pm_cap_offset + PCI_PM_CTRL);
      ctrl.v &= ~cpu_to_le16(PCI_PM_CTRL_PME_STATUS);
    }
  }

  if (offset === PCI_PM_CTRL) {
    let state: pci_power_t = PCI_D0;

    switch (le32_to_cpu(val) & PCI_PM_CTRL_STATE_MASK) {
      case 0:
        state = PCI_D0;
        break;
      case 1:
        state = PCI_D1;
        break;
      case 2:
        state = PCI_D2;
        break;
      case 3:
        state = PCI_D3hot;
        break;
    }

    await this.vfio_lock_and_set_power_state(vdev, state);
  }

  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c init_pci_cap_pm_perm() */
export function init_pci_cap_pm_perm(this: Kernel, perm: perm_bits): int {
  if (this.alloc_perm_bits(perm, this.pci_cap_length[PCI_CAP_ID_PM])) return -ENOMEM;

  perm.writefn = (...a) => this.vfio_pm_config_write(...a);

  // As in every table: the chain skips what is hidden
  this.p_setb(perm, PCI_CAP_LIST_NEXT, 0xff, 0);

  // The host handles the PME of the device; the bits that the user sees are those of the virtual one.
  this.p_setw(perm, PCI_PM_PMC, PCI_PM_CAP_PME_MASK, 0);

  // A power state is the function's own, so the user may change it, but by our hand. PME_En is the user's, in vconfig;
  // PME_Status is cleared by vfio_pm_config_write().
  this.p_setd(
    perm,
    PCI_PM_CTRL,
    PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS,
    ~(PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_STATUS),
  );

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c vfio_update_pm_vconfig_bytes() */
export function vfio_update_pm_vconfig_bytes(this: Kernel, vdev: vfio_pci_core_device, offset: int): void {
  const pmc = le16_at(vdev.vconfig, offset + PCI_PM_PMC);
  const ctrl = le16_at(vdev.vconfig, offset + PCI_PM_CTRL);

  // The virtual PME works from every state, whatever the device can do.
  pmc.v |= cpu_to_le16(PCI_PM_CAP_PME_MASK);
  ctrl.v &= ~cpu_to_le16(PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS);
}

/** C: drivers/vfio/pci/vfio_pci_config.c vfio_cap_init() */
export async function vfio_cap_init(this: Kernel, vdev: vfio_pci_core_device): Promise<int> {
  const pdev = vdev.pdev;
  const map = vdev.pci_config_map;
  const status: Ref<u16> = ref(0);
  const pos: Ref<u8> = ref(0);
  const cap: Ref<u8> = ref(0);
  let caps = 0;

  // Has it capabilities?
  let ret = await pci_read_config_word(pdev, PCI_STATUS, status);
  if (ret) return ret;

  if (!(status.v & PCI_STATUS_CAP_LIST)) return 0;

  ret = await pci_read_config_byte(pdev, PCI_CAPABILITY_LIST, pos);
  if (ret) return ret;

  // The pointer to the current one, in case it is to be skipped
  let prev = u8_at(vdev.vconfig, PCI_CAPABILITY_LIST);

  // There is no room for more than this
  let loops = (PCI_CFG_SPACE_SIZE - PCI_STD_HEADER_SIZEOF) / PCI_CAP_SIZEOF;
  while (pos.v && loops--) {
    const next: Ref<u8> = ref(0);
    let len = 0;

    ret = await pci_read_config_byte(pdev, pos.v, cap);
    if (ret) return ret;

    ret = await pci_read_config_byte(pdev, pos.v + PCI_CAP_LIST_NEXT, next);
    if (ret) return ret;

    // Id 0, the null capability, is empty, and in the map it would look like the header: hidden
    if (cap.v && cap.v <= PCI_CAP_ID_MAX) {
      len = this.pci_cap_length[cap.v];
      if (len === 0xff) {
        len = await this.vfio_cap_len(vdev, cap.v, pos.v);
        if (len < 0) return len;
      }
    }

    if (!len) {
      pci_info(pdev, `vfio_cap_init: hiding cap ${hex(cap.v)}@${hex(pos.v)}\n`);
      prev.v = next.v;
      pos.v = next.v;
      continue;
    }

    // Does it lie over another one?
    for (let i = 0; i < len; i++) {
      if ((map[pos.v + i] ?? PCI_CAP_ID_INVALID) === PCI_CAP_ID_INVALID) continue;

      const was = map[pos.v + i];
      pci_warn(
        pdev,
        `vfio_cap_init: PCI config conflict @${hex(pos.v + i)}, was cap ${hex(was)} now cap ${hex(cap.v)}\n`,
      );
    }

    BUILD_BUG_ON(PCI_CAP_ID_MAX >= PCI_CAP_ID_INVALID_VIRT);

    memset(map, cap.v, len, pos.v);
    ret = await this.vfio_fill_vconfig_bytes(vdev, pos.v, len);
    if (ret) return ret;

    if (cap.v === PCI_CAP_ID_PM) {
      vdev.pm_cap_offset = pos.v;
      this.vfio_update_pm_vconfig_bytes(vdev, pos.v);
    }

    prev = u8_at(vdev.vconfig, pos.v + PCI_CAP_LIST_NEXT);
    pos.v = next.v;
    caps++;
  }

  // All hidden: then there is no list either
  if (!caps) {
    const vstatus = le16_at(vdev.vconfig, PCI_STATUS);
    vstatus.v &= ~cpu_to_le16(PCI_STATUS_CAP_LIST);
  }

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_core_runtime_resume() */
export async function vfio_pci_core_runtime_resume(this: Kernel, dev: device): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(dev);

  if (vdev.pm_intx_masked) await this.vfio_pci_intx_unmask(vdev);

  await down_write(vdev.memory_lock);

  // EXIT and close clear pm_runtime_engaged before they wake the device; so this wake is not the guest's. It is told so
  // by PME_Status, which does not need PME_En, and by the eventfd, which does. Told, or with a device that must not go
  // back to sleep without it, the device is held awake.
  if (vdev.pm_runtime_engaged) {
    let pme_triggered = false;
    const ctrl = le16_at(vdev.vconfig, vdev.pm_cap_offset + PCI_PM_CTRL);

    ctrl.v |= cpu_to_le16(PCI_PM_CTRL_PME_STATUS);
    if (le16_to_cpu(ctrl.v) & PCI_PM_CTRL_PME_ENABLE) {
      await mutex_lock(vdev.igate);
      if (vdev.pme_trigger) {
        pme_triggered = true;
        await eventfd_signal(vdev.pme_trigger, 1);
      }
      await mutex_unlock(vdev.igate);
    }

    if (!vdev.pm_runtime_reentry_allowed || pme_triggered) {
      await pm_runtime_get_noresume(dev);
      vdev.pm_runtime_resumed = true;
    }
  }
  await up_write(vdev.memory_lock);

  return 0;
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
  if (vdev.pme_trigger) {
    await eventfd_ctx_put(vdev.pme_trigger);
    vdev.pme_trigger = null;
  }
  await mutex_unlock(vdev.igate);
}

/** C: drivers/vfio/pci/vfio_pci_core.c vfio_pci_get_irq_count() */
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
  } else if (irq_type === VFIO_PCI_REQ_IRQ_INDEX || irq_type === VFIO_PCI_PME_IRQ_INDEX) {
    return 1;
  }

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
      case VFIO_PCI_PME_IRQ_INDEX:
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

/** C: drivers/vfio/pci/vfio_pci_intrs.c vfio_pci_set_pme_trigger() */
export async function vfio_pci_set_pme_trigger(
  this: Kernel,
  vdev: vfio_pci_core_device,
  index: u32,
  start: u32,
  count: u32,
  flags: u32,
  data: irq_set_data,
): Promise<int> {
  if (index !== VFIO_PCI_PME_IRQ_INDEX || start !== 0 || count > 1) return -EINVAL;

  return await this.vfio_pci_set_ctx_trigger_single(field_ref(vdev, 'pme_trigger'), count, flags, data);
}

/** C: drivers/vfio/pci/vfio_pci_intrs.c vfio_pci_set_irqs_ioctl() */
export async function vfio_pci_set_irqs_ioctl(
  this: Kernel,
  vdev: vfio_pci_core_device,
  flags: u32,
  index: u32,
  start: u32,
  count: u32,
  data: irq_set_data,
): Promise<int> {
  let func: Kernel['vfio_pci_set_intx_mask'] | null = null;

  switch (index) {
    case VFIO_PCI_INTX_IRQ_INDEX:
      switch (flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
        case VFIO_IRQ_SET_ACTION_MASK:
          func = this.vfio_pci_set_intx_mask;
          break;
        case VFIO_IRQ_SET_ACTION_UNMASK:
          func = this.vfio_pci_set_intx_unmask;
          break;
        case VFIO_IRQ_SET_ACTION_TRIGGER:
          func = this.vfio_pci_set_intx_trigger;
          break;
      }
      break;
    case VFIO_PCI_MSI_IRQ_INDEX:
    case VFIO_PCI_MSIX_IRQ_INDEX:
      switch (flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
        case VFIO_IRQ_SET_ACTION_MASK:
        case VFIO_IRQ_SET_ACTION_UNMASK:
          // the MSI layer exports no masking
          break;
        case VFIO_IRQ_SET_ACTION_TRIGGER:
          func = this.vfio_pci_set_msi_trigger;
          break;
      }
      break;
    case VFIO_PCI_ERR_IRQ_INDEX:
      switch (flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
        case VFIO_IRQ_SET_ACTION_TRIGGER:
          if (pci_is_pcie(vdev.pdev)) func = this.vfio_pci_set_err_trigger;
          break;
      }
      break;
    case VFIO_PCI_REQ_IRQ_INDEX:
      switch (flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
        case VFIO_IRQ_SET_ACTION_TRIGGER:
          func = this.vfio_pci_set_req_trigger;
          break;
      }
      break;
    case VFIO_PCI_PME_IRQ_INDEX:
      switch (flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
        case VFIO_IRQ_SET_ACTION_TRIGGER:
          func = this.vfio_pci_set_pme_trigger;
          break;
      }
      break;
  }

  if (!func) return -ENOTTY;

  return await func.call(this, vdev, index, start, count, flags, data);
}
