// SPDX-License-Identifier: GPL-2.0-only
/*
 * drivers/vfio/pci/vfio_pci.c, v5.19-rc4: the driver that binds to any PCI device, on top of vfio_pci_core.c.
 */

import {
  dev_get_drvdata,
  dev_set_drvdata,
  EINVAL,
  ENODEV,
  ENOENT,
  ENOMEM,
  get_module,
  GFP_KERNEL,
  IS_ENABLED,
  kfree,
  kzalloc,
  container_of,
  pci_warn,
  pr_info,
  pr_warn,
  sscanf,
  strlen,
  strsep,
} from '@vfio-lab/kernel';
import {
  pci_add_dynid,
  PCI_ANY_ID,
  pci_driver,
  pci_register_driver,
  pci_unregister_driver,
  PCI_VENDOR_ID_INTEL,
} from '@vfio-lab/pci';
import type { pci_dev, pci_device_id } from '@vfio-lab/pci';
import { vfio_pci_core_device, vfio_pci_igd_init, vfio_pci_is_vga } from '@vfio-lab/headers';
import type { Kernel, vfio_device } from '@vfio-lab/headers';
import { ref } from '@vfio-lab/sim';
import type { int, u32 } from '@vfio-lab/sim';

const PCI_DEVICE_ID_INTEL_QAT_C3XXX = 0x19e2;
const PCI_DEVICE_ID_INTEL_QAT_C3XXX_VF = 0x19e3;
const PCI_DEVICE_ID_INTEL_QAT_C62X = 0x37c8;
const PCI_DEVICE_ID_INTEL_QAT_C62X_VF = 0x37c9;
const PCI_DEVICE_ID_INTEL_QAT_DH895XCC = 0x0435;
const PCI_DEVICE_ID_INTEL_QAT_DH895XCC_VF = 0x0443;

const PCI_ID_F_VFIO_DRIVER_OVERRIDE = 1;

/** C: include/linux/pci.h PCI_DRIVER_OVERRIDE_DEVICE_VFIO() */
function PCI_DRIVER_OVERRIDE_DEVICE_VFIO(vendor: u32, device: u32): pci_device_id {
  return {
    vendor,
    device,
    subvendor: PCI_ANY_ID,
    subdevice: PCI_ANY_ID,
    class: 0,
    class_mask: 0,
    override_only: PCI_ID_F_VFIO_DRIVER_OVERRIDE,
  };
}

/** printf's %0nx, the field of n digits. */
function hex(value: u32, digits: int): string {
  return value.toString(16).padStart(digits, '0');
}

/** C: drivers/vfio/pci/vfio_pci.c file-scope data */
export function statics(k: Kernel): Partial<Kernel> {
  const vfio_pci_table = [PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID)];
  const vfio_pci_driver = new pci_driver();
  vfio_pci_driver.name = 'vfio-pci';
  vfio_pci_driver.id_table = vfio_pci_table;
  vfio_pci_driver.probe = (pdev, id) => k.vfio_pci_probe(pdev, id);
  vfio_pci_driver.remove = (pdev) => k.vfio_pci_remove(pdev);
  vfio_pci_driver.sriov_configure = (pdev, nr_virtfn) => k.vfio_pci_sriov_configure(pdev, nr_virtfn);
  vfio_pci_driver.err_handler = k.vfio_pci_core_err_handlers;
  vfio_pci_driver.driver_managed_dma = true;

  return {
    vfio_pci_module: get_module('vfio_pci'),
    CONFIG_VFIO_PCI_VGA: true,
    CONFIG_VFIO_PCI_IGD: false,
    vfio_pci_parameters: {
      ids: '',
      nointxmask: false,
      disable_vga: false,
      disable_idle_d3: false,
      enable_sriov: false,
      disable_denylist: false,
    },
    vfio_pci_ops: {
      name: 'vfio-pci',
      open_device: (core_vdev) => k.vfio_pci_open_device(core_vdev),
      close_device: (core_vdev) => k.vfio_pci_core_close_device(core_vdev),
      ioctl: (core_vdev, cmd, arg) => k.vfio_pci_core_ioctl(core_vdev, cmd, arg),
      device_feature: (device, flags, arg, argsz) => k.vfio_pci_core_ioctl_feature(device, flags, arg, argsz),
      read: (core_vdev, buf, count, ppos) => k.vfio_pci_core_read(core_vdev, buf, count, ppos),
      write: (core_vdev, buf, count, ppos) => k.vfio_pci_core_write(core_vdev, buf, count, ppos),
      mmap: (core_vdev, vma) => k.vfio_pci_core_mmap(core_vdev, vma),
      request: (core_vdev, count) => k.vfio_pci_core_request(core_vdev, count),
      match: (core_vdev, buf) => k.vfio_pci_core_match(core_vdev, buf),
    },
    vfio_pci_table,
    vfio_pci_driver,
  };
}

/** C: drivers/vfio/pci/vfio_pci.c static vfio_pci_dev_in_denylist() */
export function vfio_pci_dev_in_denylist(this: Kernel, pdev: pci_dev): boolean {
  switch (pdev.vendor) {
    case PCI_VENDOR_ID_INTEL:
      switch (pdev.device) {
        case PCI_DEVICE_ID_INTEL_QAT_C3XXX:
        case PCI_DEVICE_ID_INTEL_QAT_C3XXX_VF:
        case PCI_DEVICE_ID_INTEL_QAT_C62X:
        case PCI_DEVICE_ID_INTEL_QAT_C62X_VF:
        case PCI_DEVICE_ID_INTEL_QAT_DH895XCC:
        case PCI_DEVICE_ID_INTEL_QAT_DH895XCC_VF:
          return true;
        default:
          return false;
      }
  }

  return false;
}

/** C: drivers/vfio/pci/vfio_pci.c static vfio_pci_is_denylisted() */
export function vfio_pci_is_denylisted(this: Kernel, pdev: pci_dev): boolean {
  if (!this.vfio_pci_dev_in_denylist(pdev)) return false;

  if (this.vfio_pci_parameters.disable_denylist) {
    pci_warn(
      pdev,
      `device denylist disabled - allowing device ${hex(pdev.vendor, 4)}:${hex(pdev.device, 4)}.\n`,
    );
    return false;
  }

  pci_warn(
    pdev,
    `${hex(pdev.vendor, 4)}:${hex(pdev.device, 4)} exists in vfio-pci device denylist, driver probing disallowed.\n`,
  );

  return true;
}

/** C: drivers/vfio/pci/vfio_pci.c static vfio_pci_open_device() */
export async function vfio_pci_open_device(this: Kernel, core_vdev: vfio_device): Promise<int> {
  const vdev = container_of<vfio_pci_core_device>(core_vdev);
  const pdev = vdev.pdev;
  let ret: int;

  ret = await this.vfio_pci_core_enable(vdev);
  if (ret) return ret;

  if (vfio_pci_is_vga(pdev) && pdev.vendor === PCI_VENDOR_ID_INTEL && IS_ENABLED(this.CONFIG_VFIO_PCI_IGD)) {
    ret = vfio_pci_igd_init(vdev);
    if (ret && ret !== -ENODEV) {
      pci_warn(pdev, 'Failed to setup Intel IGD regions\n');
      await this.vfio_pci_core_disable(vdev);
      return ret;
    }
  }

  await this.vfio_pci_core_finish_enable(vdev);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci.c static vfio_pci_probe() */
export async function vfio_pci_probe(this: Kernel, pdev: pci_dev, id: pci_device_id): Promise<int> {
  let ret: int;

  if (this.vfio_pci_is_denylisted(pdev)) return -EINVAL;

  const vdev = kzalloc(vfio_pci_core_device, GFP_KERNEL);
  if (!vdev) return -ENOMEM;
  this.vfio_pci_core_init_device(vdev, pdev, this.vfio_pci_ops);

  dev_set_drvdata(pdev.dev, vdev);
  out_free: {
    ret = await this.vfio_pci_core_register_device(vdev);
    if (ret) break out_free;
    return 0;
  }
  await this.vfio_pci_core_uninit_device(vdev);
  kfree(vdev);
  return ret;
}

/** C: drivers/vfio/pci/vfio_pci.c static vfio_pci_remove() */
export async function vfio_pci_remove(this: Kernel, pdev: pci_dev): Promise<void> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(pdev.dev);

  await this.vfio_pci_core_unregister_device(vdev);
  await this.vfio_pci_core_uninit_device(vdev);
  kfree(vdev);
}

/** C: drivers/vfio/pci/vfio_pci.c static vfio_pci_sriov_configure() */
export async function vfio_pci_sriov_configure(this: Kernel, pdev: pci_dev, nr_virtfn: int): Promise<int> {
  const vdev = dev_get_drvdata<vfio_pci_core_device>(pdev.dev);

  if (!this.vfio_pci_parameters.enable_sriov) return -ENOENT;

  return await this.vfio_pci_core_sriov_configure(vdev, nr_virtfn);
}

/** C: drivers/vfio/pci/vfio_pci.c static vfio_pci_fill_ids() */
export async function vfio_pci_fill_ids(this: Kernel): Promise<void> {
  let id: string | null;
  let rc: int;

  // None given
  if (this.vfio_pci_parameters.ids === '') return;

  const p = ref<string | null>(this.vfio_pci_parameters.ids);
  while ((id = strsep(p, ',')) !== null) {
    const vendor = ref<u32>(0);
    const device = ref<u32>(0);
    const subvendor = ref<u32>(PCI_ANY_ID);
    const subdevice = ref<u32>(PCI_ANY_ID);
    const class_ = ref<u32>(0);
    const class_mask = ref<u32>(0);

    if (!strlen(id)) continue;

    const fields = sscanf(id, '%x:%x:%x:%x:%x:%x', vendor, device, subvendor, subdevice, class_, class_mask);

    if (fields < 2) {
      pr_warn(`vfio_pci: invalid id string "${id}"\n`);
      continue;
    }

    rc = await pci_add_dynid(
      this.vfio_pci_driver,
      vendor.v,
      device.v,
      subvendor.v,
      subdevice.v,
      class_.v,
      class_mask.v,
      0,
    );
    const text =
      `[${hex(vendor.v, 4)}:${hex(device.v, 4)}[${hex(subvendor.v, 4)}:${hex(subdevice.v, 4)}]] ` +
      `class 0x${hex(class_.v, 6)}/${hex(class_mask.v, 8)}`;
    if (rc) pr_warn(`vfio_pci: failed to add dynamic id ${text} (${rc})\n`);
    else pr_info(`vfio_pci: add ${text}\n`);
  }
}

/** C: drivers/vfio/pci/vfio_pci.c static vfio_pci_init() */
export async function vfio_pci_init(this: Kernel): Promise<int> {
  const { nointxmask, disable_vga, disable_idle_d3, disable_denylist } = this.vfio_pci_parameters;
  let is_disable_vga = true;

  if (this.CONFIG_VFIO_PCI_VGA) is_disable_vga = disable_vga;

  this.vfio_pci_core_set_params(nointxmask, is_disable_vga, disable_idle_d3);

  // From here devices come
  const ret = await pci_register_driver(this.vfio_pci_driver, this.vfio_pci_module);
  if (ret) return ret;

  await this.vfio_pci_fill_ids();

  if (disable_denylist) pr_warn('vfio_pci: device denylist disabled.\n');

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci.c static vfio_pci_cleanup() */
export async function vfio_pci_cleanup(this: Kernel): Promise<void> {
  await pci_unregister_driver(this.vfio_pci_driver);
}
