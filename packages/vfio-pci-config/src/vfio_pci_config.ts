// SPDX-License-Identifier: GPL-2.0-only
/*
 * drivers/vfio/pci/vfio_pci_config.c, v5.19-rc4
 *
 * Config space as the user sees it. Each byte belongs to a capability (pci_config_map), each capability has a table
 * that says which bits live in vconfig instead of the device and which the user may write, and two functions for the
 * registers that need more than that: BARs that size themselves, INTx disable, power state, resets, MSI.
 */
import type { int, Ref, u16, u32, u8 } from '@vfio-lab/sim';
import { ref } from '@vfio-lab/sim';
import { down_write, up_write } from '@vfio-lab/locking';
import type { user_ptr } from '@vfio-lab/kernel';
import {
  BUILD_BUG_ON,
  copy_from_user,
  copy_to_user,
  cpu_to_le16,
  cpu_to_le32,
  EFAULT,
  EINVAL,
  ENOMEM,
  GFP_KERNEL,
  IS_ENABLED,
  kfree,
  kmalloc,
  kzalloc,
  kzalloc_bytes,
  le16_to_cpu,
  le32_to_cpu,
  max,
  memset,
  min,
  pci_info,
  pci_warn,
  round_up,
  WARN_ON,
} from '@vfio-lab/kernel';
import type { pci_dev, pci_device_id, pci_power_t } from '@vfio-lab/pci';
import {
  HT_3BIT_CAP_MASK,
  HT_CAP_SIZEOF_LONG,
  HT_CAP_SIZEOF_SHORT,
  IORESOURCE_IO,
  IORESOURCE_MEM_64,
  IORESOURCE_PREFETCH,
  IORESOURCE_ROM_SHADOW,
  PCI_ACS_CAP,
  PCI_ACS_EC,
  PCI_ACS_EGRESS_BITS,
  PCI_AF_CAP,
  PCI_AF_CAP_FLR,
  PCI_AF_CAP_TP,
  PCI_AF_CTRL,
  PCI_AF_CTRL_FLR,
  PCI_AGP_SIZEOF,
  PCI_ANY_ID,
  PCI_BASE_ADDRESS_0,
  PCI_BASE_ADDRESS_1,
  PCI_BASE_ADDRESS_2,
  PCI_BASE_ADDRESS_3,
  PCI_BASE_ADDRESS_4,
  PCI_BASE_ADDRESS_5,
  PCI_BASE_ADDRESS_MEM_PREFETCH,
  PCI_BASE_ADDRESS_MEM_TYPE_64,
  PCI_BASE_ADDRESS_SPACE_IO,
  PCI_BASE_ADDRESS_SPACE_MEMORY,
  PCI_BIST,
  PCI_CACHE_LINE_SIZE,
  PCI_CAP_AF_SIZEOF,
  PCI_CAP_EXP_ENDPOINT_SIZEOF_V1,
  PCI_CAP_EXP_ENDPOINT_SIZEOF_V2,
  PCI_CAP_FLAGS,
  PCI_CAP_ID_AF,
  PCI_CAP_ID_AGP,
  PCI_CAP_ID_AGP3,
  PCI_CAP_ID_CCRC,
  PCI_CAP_ID_CHSWP,
  PCI_CAP_ID_DBG,
  PCI_CAP_ID_EXP,
  PCI_CAP_ID_HT,
  PCI_CAP_ID_MAX,
  PCI_CAP_ID_MSI,
  PCI_CAP_ID_MSIX,
  PCI_CAP_ID_PCIX,
  PCI_CAP_ID_PM,
  PCI_CAP_ID_SATA,
  PCI_CAP_ID_SECDEV,
  PCI_CAP_ID_SHPC,
  PCI_CAP_ID_SLOTID,
  PCI_CAP_ID_SSVID,
  PCI_CAP_ID_VNDR,
  PCI_CAP_ID_VPD,
  PCI_CAP_LIST_ID,
  PCI_CAP_LIST_NEXT,
  PCI_CAP_MSIX_SIZEOF,
  PCI_CAP_PCIX_SIZEOF_V0,
  PCI_CAP_PCIX_SIZEOF_V2,
  PCI_CAP_SIZEOF,
  PCI_CAP_VC_BASE_SIZEOF,
  PCI_CAP_VC_PER_VC_SIZEOF,
  PCI_CAP_VPD_SIZEOF,
  PCI_CAPABILITY_LIST,
  PCI_CFG_SPACE_SIZE,
  PCI_COMMAND,
  PCI_COMMAND_INTX_DISABLE,
  PCI_COMMAND_IO,
  PCI_COMMAND_MEMORY,
  PCI_D0,
  PCI_D1,
  PCI_D2,
  PCI_D3hot,
  PCI_DEVICE_ID,
  PCI_DPA_BASE_SIZEOF,
  PCI_DPA_CAP,
  PCI_DPA_CAP_SUBSTATE_MASK,
  PCI_ERR_CAP,
  PCI_ERR_CAP_ECRC_CHKE,
  PCI_ERR_CAP_ECRC_GENE,
  PCI_ERR_COR_ADV_NFAT,
  PCI_ERR_COR_BAD_DLLP,
  PCI_ERR_COR_BAD_TLP,
  PCI_ERR_COR_INTERNAL,
  PCI_ERR_COR_LOG_OVER,
  PCI_ERR_COR_MASK,
  PCI_ERR_COR_RCVR,
  PCI_ERR_COR_REP_ROLL,
  PCI_ERR_COR_REP_TIMER,
  PCI_ERR_COR_STATUS,
  PCI_ERR_ROOT_COMMAND,
  PCI_ERR_UNC_ACSV,
  PCI_ERR_UNC_ATOMEG,
  PCI_ERR_UNC_COMP_ABORT,
  PCI_ERR_UNC_COMP_TIME,
  PCI_ERR_UNC_DLP,
  PCI_ERR_UNC_ECRC,
  PCI_ERR_UNC_FCP,
  PCI_ERR_UNC_INTN,
  PCI_ERR_UNC_MALF_TLP,
  PCI_ERR_UNC_MCBTLP,
  PCI_ERR_UNC_POISON_TLP,
  PCI_ERR_UNC_RX_OVER,
  PCI_ERR_UNC_SURPDN,
  PCI_ERR_UNC_TLPPRE,
  PCI_ERR_UNC_UND,
  PCI_ERR_UNC_UNSUP,
  PCI_ERR_UNC_UNX_COMP,
  PCI_ERR_UNCOR_MASK,
  PCI_ERR_UNCOR_SEVER,
  PCI_ERR_UNCOR_STATUS,
  PCI_EXP_DEVCAP,
  PCI_EXP_DEVCAP_FLR,
  PCI_EXP_DEVCTL,
  PCI_EXP_DEVCTL2,
  PCI_EXP_DEVCTL2_ARI,
  PCI_EXP_DEVCTL_BCR_FLR,
  PCI_EXP_DEVCTL_PAYLOAD,
  PCI_EXP_DEVCTL_PHANTOM,
  PCI_EXP_DEVCTL_READRQ,
  PCI_EXP_FLAGS_VERS,
  PCI_EXP_TYPE_RC_END,
  PCI_EXT_CAP_ARI_SIZEOF,
  PCI_EXT_CAP_ATS_SIZEOF,
  PCI_EXT_CAP_DSN_SIZEOF,
  PCI_EXT_CAP_ID,
  PCI_EXT_CAP_ID_ACS,
  PCI_EXT_CAP_ID_AMD_XXX,
  PCI_EXT_CAP_ID_ARI,
  PCI_EXT_CAP_ID_ATS,
  PCI_EXT_CAP_ID_CAC,
  PCI_EXT_CAP_ID_DPA,
  PCI_EXT_CAP_ID_DSN,
  PCI_EXT_CAP_ID_ERR,
  PCI_EXT_CAP_ID_LTR,
  PCI_EXT_CAP_ID_MAX,
  PCI_EXT_CAP_ID_MCAST,
  PCI_EXT_CAP_ID_MFVC,
  PCI_EXT_CAP_ID_MRIOV,
  PCI_EXT_CAP_ID_PASID,
  PCI_EXT_CAP_ID_PMUX,
  PCI_EXT_CAP_ID_PRI,
  PCI_EXT_CAP_ID_PWR,
  PCI_EXT_CAP_ID_RCEC,
  PCI_EXT_CAP_ID_RCILC,
  PCI_EXT_CAP_ID_RCLD,
  PCI_EXT_CAP_ID_RCRB,
  PCI_EXT_CAP_ID_REBAR,
  PCI_EXT_CAP_ID_SECPCI,
  PCI_EXT_CAP_ID_SRIOV,
  PCI_EXT_CAP_ID_TPH,
  PCI_EXT_CAP_ID_VC,
  PCI_EXT_CAP_ID_VC9,
  PCI_EXT_CAP_ID_VNDR,
  PCI_EXT_CAP_LTR_SIZEOF,
  PCI_EXT_CAP_MCAST_ENDPOINT_SIZEOF,
  PCI_EXT_CAP_NEXT,
  PCI_EXT_CAP_PRI_SIZEOF,
  PCI_EXT_CAP_PWR_SIZEOF,
  PCI_EXT_CAP_SRIOV_SIZEOF,
  PCI_INTERRUPT_LINE,
  PCI_INTERRUPT_PIN,
  PCI_LATENCY_TIMER,
  pci_match_id,
  PCI_MSI_ADDRESS_HI,
  PCI_MSI_ADDRESS_LO,
  PCI_MSI_DATA_32,
  PCI_MSI_DATA_64,
  PCI_MSI_FLAGS,
  PCI_MSI_FLAGS_64BIT,
  PCI_MSI_FLAGS_ENABLE,
  PCI_MSI_FLAGS_MASKBIT,
  PCI_MSI_FLAGS_QMASK,
  PCI_MSI_FLAGS_QSIZE,
  PCI_MSI_MASK_32,
  PCI_MSI_MASK_64,
  PCI_MSI_PENDING_32,
  PCI_MSI_PENDING_64,
  pci_pcie_type,
  PCI_PM_CAP_PME_MASK,
  PCI_PM_CTRL,
  PCI_PM_CTRL_PME_ENABLE,
  PCI_PM_CTRL_PME_STATUS,
  PCI_PM_CTRL_STATE_MASK,
  PCI_PM_PMC,
  PCI_PM_SIZEOF,
  PCI_PWR_DATA,
  pci_read_config_byte,
  pci_read_config_dword,
  pci_read_config_word,
  pci_read_vpd,
  PCI_REBAR_CTRL,
  PCI_REBAR_CTRL_NBAR_MASK,
  PCI_REBAR_CTRL_NBAR_SHIFT,
  pci_resource_flags,
  pci_resource_len,
  pci_resource_start,
  PCI_ROM_ADDRESS,
  PCI_ROM_ADDRESS_ENABLE,
  PCI_ROM_RESOURCE,
  PCI_SATA_REGS,
  PCI_SATA_REGS_INLINE,
  PCI_SATA_REGS_MASK,
  PCI_SATA_SIZEOF_LONG,
  PCI_SATA_SIZEOF_SHORT,
  PCI_STATUS,
  PCI_STATUS_CAP_LIST,
  PCI_STD_HEADER_SIZEOF,
  PCI_STD_NUM_BARS,
  PCI_STD_RESOURCES,
  PCI_TPH_BASE_SIZEOF,
  PCI_TPH_CAP,
  PCI_TPH_CAP_LOC_MASK,
  PCI_TPH_CAP_ST_MASK,
  PCI_TPH_CAP_ST_SHIFT,
  PCI_TPH_LOC_CAP,
  pci_try_reset_function,
  pci_user_read_config_byte,
  pci_user_read_config_dword,
  pci_user_read_config_word,
  pci_user_write_config_byte,
  pci_user_write_config_dword,
  pci_user_write_config_word,
  PCI_VC_CAP1_EVCC,
  PCI_VC_CAP2_128_PHASE,
  PCI_VC_CAP2_32_PHASE,
  PCI_VC_CAP2_64_PHASE,
  PCI_VC_PORT_CAP1,
  PCI_VC_PORT_CAP2,
  PCI_VENDOR_ID,
  PCI_VENDOR_ID_INTEL,
  PCI_VPD_ADDR,
  PCI_VPD_ADDR_F,
  PCI_VPD_DATA,
  PCI_VSEC_HDR,
  PCI_VSEC_HDR_LEN_SHIFT,
  pci_write_vpd,
  PCI_X_CMD,
  PCI_X_CMD_VERSION,
  PCI_X_ECC_CSR,
  pcibios_err_to_errno,
  pcie_caps_reg,
  pcie_get_mps,
  pcie_set_readrq,
} from '@vfio-lab/pci';
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import {
  is_msi,
  PCI_CAP_ID_INVALID,
  PCI_CAP_ID_INVALID_VIRT,
  perm_bits,
  VFIO_PCI_OFFSET_TO_POS,
} from '@vfio-lab/headers';

import { le16_at, le32_at, memcpy, u8_at } from './le.ts';

/** A build option: on in every kernel for x86. */
const CONFIG_VFIO_PCI_INTX = true;

/** printf's %#x */
function hex(x: number): string {
  return x === 0 ? '0' : `0x${x.toString(16)}`;
}

/** C: include/linux/pci.h PCI_DEVICE() */
function PCI_DEVICE(vendor: u32, device: u32): pci_device_id {
  return { vendor, device, subvendor: PCI_ANY_ID, subdevice: PCI_ANY_ID, class: 0, class_mask: 0 };
}

/** Stands for the header in pci_config_map and the tables; no real capability has this id. */
const PCI_CAP_ID_BASIC = 0;

function is_bar(offset: int): boolean {
  return (
    (offset >= PCI_BASE_ADDRESS_0 && offset < PCI_BASE_ADDRESS_5 + 4) ||
    (offset >= PCI_ROM_ADDRESS && offset < PCI_ROM_ADDRESS + 4)
  );
}

const NO_VIRT = 0;
const ALL_VIRT = 0xffffffff;
const NO_WRITE = 0;
const ALL_WRITE = 0xffffffff;

/** The low 16 bits, as C's (u16)ALL_VIRT. */
const U16 = 0xffff;
/** The low 8 bits, as C's (u8)ALL_VIRT. */
const U8 = 0xff;

/**
 * File-scope data, fresh for each image.
 * @param k the image whose functions the tables point to
 */
export function statics(k: Kernel): Partial<Kernel> {
  // Sizes of capabilities; 0: not shown to the user, 0xff: depends on the device.
  const pci_cap_length = new Uint8Array(PCI_CAP_ID_MAX + 1);
  pci_cap_length[PCI_CAP_ID_BASIC] = PCI_STD_HEADER_SIZEOF;
  pci_cap_length[PCI_CAP_ID_PM] = PCI_PM_SIZEOF;
  pci_cap_length[PCI_CAP_ID_AGP] = PCI_AGP_SIZEOF;
  pci_cap_length[PCI_CAP_ID_VPD] = PCI_CAP_VPD_SIZEOF;
  pci_cap_length[PCI_CAP_ID_SLOTID] = 0; // bridges only
  pci_cap_length[PCI_CAP_ID_MSI] = 0xff; // 10, 14, 20 or 24
  pci_cap_length[PCI_CAP_ID_CHSWP] = 0;
  pci_cap_length[PCI_CAP_ID_PCIX] = 0xff; // 8 or 24
  pci_cap_length[PCI_CAP_ID_HT] = 0xff;
  pci_cap_length[PCI_CAP_ID_VNDR] = 0xff;
  pci_cap_length[PCI_CAP_ID_DBG] = 0;
  pci_cap_length[PCI_CAP_ID_CCRC] = 0;
  pci_cap_length[PCI_CAP_ID_SHPC] = 0;
  pci_cap_length[PCI_CAP_ID_SSVID] = 0; // bridges only
  pci_cap_length[PCI_CAP_ID_AGP3] = 0;
  pci_cap_length[PCI_CAP_ID_SECDEV] = 0;
  pci_cap_length[PCI_CAP_ID_EXP] = 0xff; // 20 or 50, less without a link
  pci_cap_length[PCI_CAP_ID_MSIX] = PCI_CAP_MSIX_SIZEOF;
  pci_cap_length[PCI_CAP_ID_SATA] = 0xff;
  pci_cap_length[PCI_CAP_ID_AF] = PCI_CAP_AF_SIZEOF;

  // The same for extended capabilities.
  const pci_ext_cap_length = new Uint16Array(PCI_EXT_CAP_ID_MAX + 1);
  pci_ext_cap_length[PCI_EXT_CAP_ID_ERR] = PCI_ERR_ROOT_COMMAND;
  pci_ext_cap_length[PCI_EXT_CAP_ID_VC] = 0xff;
  pci_ext_cap_length[PCI_EXT_CAP_ID_DSN] = PCI_EXT_CAP_DSN_SIZEOF;
  pci_ext_cap_length[PCI_EXT_CAP_ID_PWR] = PCI_EXT_CAP_PWR_SIZEOF;
  pci_ext_cap_length[PCI_EXT_CAP_ID_RCLD] = 0; // these three and RCRB: root complex only
  pci_ext_cap_length[PCI_EXT_CAP_ID_RCILC] = 0;
  pci_ext_cap_length[PCI_EXT_CAP_ID_RCEC] = 0;
  pci_ext_cap_length[PCI_EXT_CAP_ID_MFVC] = 0xff;
  pci_ext_cap_length[PCI_EXT_CAP_ID_VC9] = 0xff; // laid out as VC
  pci_ext_cap_length[PCI_EXT_CAP_ID_RCRB] = 0;
  pci_ext_cap_length[PCI_EXT_CAP_ID_VNDR] = 0xff;
  pci_ext_cap_length[PCI_EXT_CAP_ID_CAC] = 0;
  pci_ext_cap_length[PCI_EXT_CAP_ID_ACS] = 0xff;
  pci_ext_cap_length[PCI_EXT_CAP_ID_ARI] = PCI_EXT_CAP_ARI_SIZEOF;
  pci_ext_cap_length[PCI_EXT_CAP_ID_ATS] = PCI_EXT_CAP_ATS_SIZEOF;
  pci_ext_cap_length[PCI_EXT_CAP_ID_SRIOV] = PCI_EXT_CAP_SRIOV_SIZEOF;
  pci_ext_cap_length[PCI_EXT_CAP_ID_MRIOV] = 0;
  pci_ext_cap_length[PCI_EXT_CAP_ID_MCAST] = PCI_EXT_CAP_MCAST_ENDPOINT_SIZEOF;
  pci_ext_cap_length[PCI_EXT_CAP_ID_PRI] = PCI_EXT_CAP_PRI_SIZEOF;
  pci_ext_cap_length[PCI_EXT_CAP_ID_AMD_XXX] = 0;
  pci_ext_cap_length[PCI_EXT_CAP_ID_REBAR] = 0xff;
  pci_ext_cap_length[PCI_EXT_CAP_ID_DPA] = 0xff;
  pci_ext_cap_length[PCI_EXT_CAP_ID_TPH] = 0xff;
  pci_ext_cap_length[PCI_EXT_CAP_ID_LTR] = PCI_EXT_CAP_LTR_SIZEOF;
  pci_ext_cap_length[PCI_EXT_CAP_ID_SECPCI] = 0;
  pci_ext_cap_length[PCI_EXT_CAP_ID_PMUX] = 0;
  pci_ext_cap_length[PCI_EXT_CAP_ID_PASID] = 0;

  // A capability without a table of its own can be read as it is and not written.
  const direct = (): perm_bits => {
    const perm = new perm_bits();
    perm.readfn = (...a) => k.vfio_direct_config_read(...a);
    return perm;
  };
  const cap_perms = Array.from({ length: PCI_CAP_ID_MAX + 1 }, direct);
  const ecap_perms = Array.from({ length: PCI_EXT_CAP_ID_MAX + 1 }, direct);

  // Devices keep registers in the gaps between capabilities, so these go straight to the hardware.
  const unassigned_perms = new perm_bits();
  unassigned_perms.readfn = (...a) => k.vfio_raw_config_read(...a);
  unassigned_perms.writefn = (...a) => k.vfio_raw_config_write(...a);

  const virt_perms = new perm_bits();
  virt_perms.readfn = (...a) => k.vfio_virt_config_read(...a);
  virt_perms.writefn = (...a) => k.vfio_virt_config_write(...a);

  // VFs known to report an INTx pin they cannot have: no warning for these.
  const known_bogus_vf_intx_pin: pci_device_id[] = [PCI_DEVICE(PCI_VENDOR_ID_INTEL, 0x270c)];

  return {
    pci_cap_length,
    pci_ext_cap_length,
    cap_perms,
    ecap_perms,
    unassigned_perms,
    virt_perms,
    known_bogus_vf_intx_pin,
  };
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_user_config_read() */
export async function vfio_user_config_read(
  this: Kernel,
  pdev: pci_dev,
  offset: int,
  val: Ref<u32>,
  count: int,
): Promise<int> {
  let ret = -EINVAL;
  const tmp_val: Ref<u32> = ref(0);

  switch (count) {
    case 1: {
      const tmp: Ref<u8> = ref(0);
      ret = await pci_user_read_config_byte(pdev, offset, tmp);
      tmp_val.v = tmp.v;
      break;
    }
    case 2: {
      const tmp: Ref<u16> = ref(0);
      ret = await pci_user_read_config_word(pdev, offset, tmp);
      tmp_val.v = tmp.v;
      break;
    }
    case 4:
      ret = await pci_user_read_config_dword(pdev, offset, tmp_val);
      break;
  }

  val.v = cpu_to_le32(tmp_val.v);

  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_user_config_write() */
export async function vfio_user_config_write(
  this: Kernel,
  pdev: pci_dev,
  offset: int,
  val: u32,
  count: int,
): Promise<int> {
  let ret = -EINVAL;
  const tmp_val: u32 = le32_to_cpu(val);

  switch (count) {
    case 1:
      ret = await pci_user_write_config_byte(pdev, offset, tmp_val & 0xff);
      break;
    case 2:
      ret = await pci_user_write_config_word(pdev, offset, tmp_val & 0xffff);
      break;
    case 4:
      ret = await pci_user_write_config_dword(pdev, offset, tmp_val);
      break;
  }

  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_default_config_read() */
export async function vfio_default_config_read(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: Ref<u32>,
): Promise<int> {
  const virt: Ref<u32> = ref(0);

  memcpy(val, vdev.vconfig.subarray(pos), count);

  memcpy(virt, perm.virt.subarray(offset), count);

  // Is any bit the device's?
  if (cpu_to_le32(0xffffffff >>> (32 - count * 8)) !== virt.v) {
    const pdev = vdev.pdev;
    const phys_val: Ref<u32> = ref(0);

    const ret = await this.vfio_user_config_read(pdev, pos, phys_val, count);
    if (ret) return ret;

    val.v = ((phys_val.v & ~virt.v) | (val.v & virt.v)) >>> 0;
  }

  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_default_config_write() */
export async function vfio_default_config_write(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: u32,
): Promise<int> {
  const virt: Ref<u32> = ref(0);
  const write: Ref<u32> = ref(0);

  memcpy(write, perm.write.subarray(offset), count);

  if (!write.v) return count; // nothing writable: dropped

  memcpy(virt, perm.virt.subarray(offset), count);

  // Bits that are ours go to vconfig
  if (write.v & virt.v) {
    const virt_val: Ref<u32> = ref(0);

    memcpy(virt_val, vdev.vconfig.subarray(pos), count);

    virt_val.v &= ~(write.v & virt.v);
    virt_val.v |= val & (write.v & virt.v);

    memcpy(vdev.vconfig.subarray(pos), virt_val, count);
  }

  // and the others to the device, read first so that the rest stays
  if (write.v & ~virt.v) {
    const pdev = vdev.pdev;
    const phys_val: Ref<u32> = ref(0);

    let ret = await this.vfio_user_config_read(pdev, pos, phys_val, count);
    if (ret) return ret;

    phys_val.v &= ~(write.v & ~virt.v);
    phys_val.v |= val & (write.v & ~virt.v);

    ret = await this.vfio_user_config_write(pdev, pos, phys_val.v >>> 0, count);
    if (ret) return ret;
  }

  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_direct_config_read() */
export async function vfio_direct_config_read(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: Ref<u32>,
): Promise<int> {
  const ret = await this.vfio_user_config_read(vdev.pdev, pos, val, count);
  if (ret) return ret;

  if (pos >= PCI_CFG_SPACE_SIZE) {
    // the header of an extended capability
    if (offset < 4) memcpy(val, vdev.vconfig.subarray(pos), count);
  } else if (pos >= PCI_STD_HEADER_SIZEOF) {
    // id and next pointer of a capability
    if (offset === PCI_CAP_LIST_ID && count > 1)
      memcpy(val, vdev.vconfig.subarray(pos), min(PCI_CAP_FLAGS, count));
    else if (offset === PCI_CAP_LIST_NEXT) memcpy(val, vdev.vconfig.subarray(pos), 1);
  }

  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_raw_config_write() */
export async function vfio_raw_config_write(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: u32,
): Promise<int> {
  const ret = await this.vfio_user_config_write(vdev.pdev, pos, val, count);
  if (ret) return ret;

  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_raw_config_read() */
export async function vfio_raw_config_read(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: Ref<u32>,
): Promise<int> {
  const ret = await this.vfio_user_config_read(vdev.pdev, pos, val, count);
  if (ret) return ret;

  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_virt_config_write() */
export function vfio_virt_config_write(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: u32,
): int {
  memcpy(vdev.vconfig.subarray(pos), ref(val), count);
  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_virt_config_read() */
export function vfio_virt_config_read(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: Ref<u32>,
): int {
  memcpy(val, vdev.vconfig.subarray(pos), count);
  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static free_perm_bits() */
export function free_perm_bits(this: Kernel, perm: perm_bits): void {
  kfree(perm.virt);
  kfree(perm.write);
  perm.virt = null!;
  perm.write = null!;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static alloc_perm_bits() */
export function alloc_perm_bits(this: Kernel, perm: perm_bits, size: int): int {
  // Whole dwords: an access never leaves its dword, so it need not be checked against the end of the capability.
  size = round_up(size, 4);

  // Zeroed: everything readable, nothing writable, nothing virtual
  perm.virt = kzalloc_bytes(size, GFP_KERNEL)!;
  perm.write = kzalloc_bytes(size, GFP_KERNEL)!;
  if (!perm.virt || !perm.write) {
    this.free_perm_bits(perm);
    return -ENOMEM;
  }

  perm.readfn = (...a) => this.vfio_default_config_read(...a);
  perm.writefn = (...a) => this.vfio_default_config_write(...a);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static p_setb() */
export function p_setb(this: Kernel, p: perm_bits, off: int, virt: u8, write: u8): void {
  p.virt[off] = virt;
  p.write[off] = write;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static p_setw() */
export function p_setw(this: Kernel, p: perm_bits, off: int, virt: u16, write: u16): void {
  le16_at(p.virt, off).v = cpu_to_le16(virt);
  le16_at(p.write, off).v = cpu_to_le16(write);
}

/** C: drivers/vfio/pci/vfio_pci_config.c static p_setd() */
export function p_setd(this: Kernel, p: perm_bits, off: int, virt: u32, write: u32): void {
  le32_at(p.virt, off).v = cpu_to_le32(virt);
  le32_at(p.write, off).v = cpu_to_le32(write);
}

/** C: drivers/vfio/pci/vfio_pci_config.c __vfio_pci_memory_enabled() */
export function __vfio_pci_memory_enabled(this: Kernel, vdev: vfio_pci_core_device): boolean {
  const pdev = vdev.pdev;
  const cmd: u16 = le16_to_cpu(le16_at(vdev.vconfig, PCI_COMMAND).v);

  // In D3 the memory is out of reach. A VF has no memory enable bit of its own (the PF's SR-IOV capability has it),
  // so its virtual one is no reason to refuse.
  return pdev.current_state < PCI_D3hot && (pdev.no_command_memory || (cmd & PCI_COMMAND_MEMORY) !== 0);
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_bar_restore() */
export async function vfio_bar_restore(this: Kernel, vdev: vfio_pci_core_device): Promise<void> {
  const pdev = vdev.pdev;
  const rbar = vdev.rbar;
  let r = 0;
  const cmd: Ref<u16> = ref(0);

  if (pdev.is_virtfn) return;

  pci_info(pdev, 'vfio_bar_restore: reset recovery - restoring BARs\n');

  for (let i = PCI_BASE_ADDRESS_0; i <= PCI_BASE_ADDRESS_5; i += 4, r++)
    await pci_user_write_config_dword(pdev, i, rbar[r]);

  await pci_user_write_config_dword(pdev, PCI_ROM_ADDRESS, rbar[r]);

  if (vdev.nointx) {
    await pci_user_read_config_word(pdev, PCI_COMMAND, cmd);
    cmd.v |= PCI_COMMAND_INTX_DISABLE;
    await pci_user_write_config_word(pdev, PCI_COMMAND, cmd.v);
  }
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_generate_bar_flags() */
export function vfio_generate_bar_flags(this: Kernel, pdev: pci_dev, bar: int): u32 {
  const flags = pci_resource_flags(pdev, bar);

  if (flags & IORESOURCE_IO) return cpu_to_le32(PCI_BASE_ADDRESS_SPACE_IO);

  let val: u32 = PCI_BASE_ADDRESS_SPACE_MEMORY;

  if (flags & IORESOURCE_PREFETCH) val |= PCI_BASE_ADDRESS_MEM_PREFETCH;

  if (flags & IORESOURCE_MEM_64) val |= PCI_BASE_ADDRESS_MEM_TYPE_64;

  return cpu_to_le32(val);
}

/** The u64 `~(len - 1)`, whose low 32 bits are (u32)mask and the high ones (u32)(mask >> 32). */
function bar_mask(len: number): { lo: u32; hi: u32 } {
  const mask = ~(BigInt(len) - 1n);
  return { lo: Number(BigInt.asUintN(32, mask)), hi: Number(BigInt.asUintN(32, mask >> 32n)) };
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_bar_fixup() */
export function vfio_bar_fixup(this: Kernel, vdev: vfio_pci_core_device): void {
  const pdev = vdev.pdev;

  if (!vdev.bardirty) return;

  for (let i = 0, at = PCI_BASE_ADDRESS_0; i < PCI_STD_NUM_BARS; i++, at += 4) {
    const bar = i + PCI_STD_RESOURCES;
    let vbar = le32_at(vdev.vconfig, at);

    if (!pci_resource_start(pdev, bar)) {
      vbar.v = 0; // not mapped by the host: not there for the user
      continue;
    }

    const mask = bar_mask(pci_resource_len(pdev, bar));

    vbar.v &= cpu_to_le32(mask.lo);
    vbar.v |= this.vfio_generate_bar_flags(pdev, bar);

    if (vbar.v & cpu_to_le32(PCI_BASE_ADDRESS_MEM_TYPE_64)) {
      vbar = le32_at(vdev.vconfig, (at += 4));
      vbar.v &= cpu_to_le32(mask.hi);
      i++;
    }
  }

  const vbar = le32_at(vdev.vconfig, PCI_ROM_ADDRESS);

  // The size of the BAR (or of the shadow copy), even where the region has size 0 because no image can be read.
  if (pci_resource_start(pdev, PCI_ROM_RESOURCE)) {
    const mask = bar_mask(pci_resource_len(pdev, PCI_ROM_RESOURCE));
    mask.lo |= PCI_ROM_ADDRESS_ENABLE;
    vbar.v &= cpu_to_le32(mask.lo);
  } else if (pdev.resource[PCI_ROM_RESOURCE].flags & IORESOURCE_ROM_SHADOW) {
    const mask = bar_mask(0x20000);
    mask.lo |= PCI_ROM_ADDRESS_ENABLE;
    vbar.v &= cpu_to_le32(mask.lo);
  } else vbar.v = 0;

  vdev.bardirty = false;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_basic_config_read() */
export async function vfio_basic_config_read(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: Ref<u32>,
): Promise<int> {
  // pos is offset here
  if (is_bar(offset)) this.vfio_bar_fixup(vdev);

  count = await this.vfio_default_config_read(vdev, pos, count, perm, offset, val);

  // The device has no memory enable bit: show the virtual one
  if (offset === PCI_COMMAND && vdev.pdev.no_command_memory) {
    const cmd: u16 = le16_to_cpu(le16_at(vdev.vconfig, PCI_COMMAND).v);
    let tmp_val: u32 = le32_to_cpu(val.v);

    tmp_val |= cmd & PCI_COMMAND_MEMORY;
    val.v = cpu_to_le32(tmp_val);
  }

  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_need_bar_restore() */
export async function vfio_need_bar_restore(this: Kernel, vdev: vfio_pci_core_device): Promise<boolean> {
  const bar: Ref<u32> = ref(0);

  for (let i = 0, pos = PCI_BASE_ADDRESS_0; pos <= PCI_BASE_ADDRESS_5; i++, pos += 4) {
    if (vdev.rbar[i]) {
      const ret = await pci_user_read_config_dword(vdev.pdev, pos, bar);
      if (ret || vdev.rbar[i] !== bar.v) return true;
    }
  }

  return false;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_basic_config_write() */
export async function vfio_basic_config_write(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: u32,
): Promise<int> {
  const pdev = vdev.pdev;
  let new_cmd: u16 = 0;

  const virt_cmd = le16_at(vdev.vconfig, PCI_COMMAND);

  if (offset === PCI_COMMAND) {
    const phys_cmd: Ref<u16> = ref(0);

    const ret = await pci_user_read_config_word(pdev, PCI_COMMAND, phys_cmd);
    if (ret) return ret;

    new_cmd = le32_to_cpu(val) & 0xffff;

    const phys_io = !!(phys_cmd.v & PCI_COMMAND_IO);
    const virt_io = !!(le16_to_cpu(virt_cmd.v) & PCI_COMMAND_IO);
    const new_io = !!(new_cmd & PCI_COMMAND_IO);

    const phys_mem = !!(phys_cmd.v & PCI_COMMAND_MEMORY);
    const virt_mem = !!(le16_to_cpu(virt_cmd.v) & PCI_COMMAND_MEMORY);
    const new_mem = !!(new_cmd & PCI_COMMAND_MEMORY);

    if (!new_mem) await this.vfio_pci_zap_and_down_write_memory_lock(vdev);
    else await down_write(vdev.memory_lock);

    // The user turns on what we believe is on while the device has it off: something reset the device behind our
    // back, and the BARs have to be right before they decode again. SR-IOV devices look like that for memory.
    if (
      (new_mem && virt_mem && !phys_mem && !pdev.no_command_memory) ||
      (new_io && virt_io && !phys_io) ||
      (await this.vfio_need_bar_restore(vdev))
    )
      await this.vfio_bar_restore(vdev);
  }

  count = await this.vfio_default_config_write(vdev, pos, count, perm, offset, val);
  if (count < 0) {
    if (offset === PCI_COMMAND) await up_write(vdev.memory_lock);
    return count;
  }

  // What the test above compares with next time
  if (offset === PCI_COMMAND) {
    const mask: u16 = PCI_COMMAND_MEMORY | PCI_COMMAND_IO;

    virt_cmd.v &= cpu_to_le16(~mask);
    virt_cmd.v |= cpu_to_le16(new_cmd & mask);

    await up_write(vdev.memory_lock);
  }

  // INTx disable is emulated
  if (offset >= PCI_COMMAND && offset <= PCI_COMMAND + 1) {
    const virt_intx_disable = !!(le16_to_cpu(virt_cmd.v) & PCI_COMMAND_INTX_DISABLE);

    if (virt_intx_disable && !vdev.virq_disabled) {
      vdev.virq_disabled = true;
      await this.vfio_pci_intx_mask(vdev);
    } else if (!virt_intx_disable && vdev.virq_disabled) {
      vdev.virq_disabled = false;
      await this.vfio_pci_intx_unmask(vdev);
    }
  }

  if (is_bar(offset)) vdev.bardirty = true;

  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static init_pci_cap_basic_perm() */
export function init_pci_cap_basic_perm(this: Kernel, perm: perm_bits): int {
  if (this.alloc_perm_bits(perm, PCI_STD_HEADER_SIZEOF)) return -ENOMEM;

  perm.readfn = (...a) => this.vfio_basic_config_read(...a);
  perm.writefn = (...a) => this.vfio_basic_config_write(...a);

  // A VF has ffff here
  this.p_setw(perm, PCI_VENDOR_ID, U16, NO_WRITE);
  this.p_setw(perm, PCI_DEVICE_ID, U16, NO_WRITE);

  // We mask interrupts with the real INTx disable, and emulate it where the device has none
  this.p_setw(perm, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, U16);

  // Virtual, in case no capability is left to show
  this.p_setw(perm, PCI_STATUS, PCI_STATUS_CAP_LIST, NO_WRITE);

  // Harmless
  this.p_setb(perm, PCI_CACHE_LINE_SIZE, NO_VIRT, U8);
  this.p_setb(perm, PCI_LATENCY_TIMER, NO_VIRT, U8);
  this.p_setb(perm, PCI_BIST, NO_VIRT, U8);

  // The real BARs are the host's
  this.p_setd(perm, PCI_BASE_ADDRESS_0, ALL_VIRT, ALL_WRITE);
  this.p_setd(perm, PCI_BASE_ADDRESS_1, ALL_VIRT, ALL_WRITE);
  this.p_setd(perm, PCI_BASE_ADDRESS_2, ALL_VIRT, ALL_WRITE);
  this.p_setd(perm, PCI_BASE_ADDRESS_3, ALL_VIRT, ALL_WRITE);
  this.p_setd(perm, PCI_BASE_ADDRESS_4, ALL_VIRT, ALL_WRITE);
  this.p_setd(perm, PCI_BASE_ADDRESS_5, ALL_VIRT, ALL_WRITE);
  this.p_setd(perm, PCI_ROM_ADDRESS, ALL_VIRT, ALL_WRITE);

  // The head of the capability chain moves when the first one is hidden
  this.p_setb(perm, PCI_CAPABILITY_LIST, U8, NO_WRITE);

  // A scratch register for software
  this.p_setb(perm, PCI_INTERRUPT_LINE, U8, U8);

  // 0 where INTx is hidden
  this.p_setb(perm, PCI_INTERRUPT_PIN, U8, NO_WRITE);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_lock_and_set_power_state() */
export async function vfio_lock_and_set_power_state(
  this: Kernel,
  vdev: vfio_pci_core_device,
  state: pci_power_t,
): Promise<void> {
  if (state >= PCI_D3hot) await this.vfio_pci_zap_and_down_write_memory_lock(vdev);
  else await down_write(vdev.memory_lock);

  await this.vfio_pci_set_power_state(vdev, state);
  await up_write(vdev.memory_lock);
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_pm_config_write() */
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

/** C: drivers/vfio/pci/vfio_pci_config.c static init_pci_cap_pm_perm() */
export function init_pci_cap_pm_perm(this: Kernel, perm: perm_bits): int {
  if (this.alloc_perm_bits(perm, this.pci_cap_length[PCI_CAP_ID_PM])) return -ENOMEM;

  perm.writefn = (...a) => this.vfio_pm_config_write(...a);

  // As in every table: the chain skips what is hidden
  this.p_setb(perm, PCI_CAP_LIST_NEXT, U8, NO_WRITE);

  // The host handles PME and clears its status, so the user sees a device without it: these bits are virtual and
  // vfio_update_pm_vconfig_bytes() clears them.
  this.p_setw(perm, PCI_PM_PMC, PCI_PM_CAP_PME_MASK, NO_WRITE);

  // A power state is the function's own, so the user may change it, but by our hand: the bits are not written.
  this.p_setd(
    perm,
    PCI_PM_CTRL,
    PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS,
    ~(PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS | PCI_PM_CTRL_STATE_MASK),
  );

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_vpd_config_write() */
export async function vfio_vpd_config_write(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: u32,
): Promise<int> {
  const pdev = vdev.pdev;
  const paddr = le16_at(vdev.vconfig, pos - offset + PCI_VPD_ADDR);
  const pdata = le32_at(vdev.vconfig, pos - offset + PCI_VPD_DATA);
  const bytes = new Uint8Array(4);
  const data = le32_at(bytes, 0);

  // Both registers are virtual. The upper byte of the address has the flag that starts a transfer.
  count = await this.vfio_default_config_write(vdev, pos, count, perm, offset, val);
  if (count < 0 || offset > PCI_VPD_ADDR + 1 || offset + count <= PCI_VPD_ADDR + 1) return count;

  let addr: u16 = le16_to_cpu(paddr.v);

  if (addr & PCI_VPD_ADDR_F) {
    data.v = le32_to_cpu(pdata.v);
    if ((await pci_write_vpd(pdev, addr & ~PCI_VPD_ADDR_F, 4, bytes)) !== 4) return count;
  } else {
    data.v = 0;
    if ((await pci_read_vpd(pdev, addr, 4, bytes)) < 0) return count;
    pdata.v = cpu_to_le32(data.v);
  }

  // The flag turns over when the transfer is done. After an error it never does, and the user's driver times out.
  addr ^= PCI_VPD_ADDR_F;
  paddr.v = cpu_to_le16(addr);

  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static init_pci_cap_vpd_perm() */
export function init_pci_cap_vpd_perm(this: Kernel, perm: perm_bits): int {
  if (this.alloc_perm_bits(perm, this.pci_cap_length[PCI_CAP_ID_VPD])) return -ENOMEM;

  perm.writefn = (...a) => this.vfio_vpd_config_write(...a);

  this.p_setb(perm, PCI_CAP_LIST_NEXT, U8, NO_WRITE);

  // The handshake is the PCI core's; the user's end of it is emulated
  this.p_setw(perm, PCI_VPD_ADDR, U16, U16);
  this.p_setd(perm, PCI_VPD_DATA, ALL_VIRT, ALL_WRITE);

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static init_pci_cap_pcix_perm() */
export function init_pci_cap_pcix_perm(this: Kernel, perm: perm_bits): int {
  // The larger of the two layouts; version 0 has 8 bytes
  if (this.alloc_perm_bits(perm, PCI_CAP_PCIX_SIZEOF_V2)) return -ENOMEM;

  this.p_setb(perm, PCI_CAP_LIST_NEXT, U8, NO_WRITE);

  this.p_setw(perm, PCI_X_CMD, NO_VIRT, U16);
  this.p_setd(perm, PCI_X_ECC_CSR, NO_VIRT, ALL_WRITE);
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_exp_config_write() */
export async function vfio_exp_config_write(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: u32,
): Promise<int> {
  const ctrl = le16_at(vdev.vconfig, pos - offset + PCI_EXP_DEVCTL);
  let readrq: int = le16_to_cpu(ctrl.v) & PCI_EXP_DEVCTL_READRQ;

  count = await this.vfio_default_config_write(vdev, pos, count, perm, offset, val);
  if (count < 0) return count;

  // The FLR bit is virtual and always reads 0. A function that has FLR is reset, by whatever way the core prefers.
  if (ctrl.v & cpu_to_le16(PCI_EXP_DEVCTL_BCR_FLR)) {
    const cap: Ref<u32> = ref(0);

    ctrl.v &= ~cpu_to_le16(PCI_EXP_DEVCTL_BCR_FLR);

    const ret = await pci_user_read_config_dword(vdev.pdev, pos - offset + PCI_EXP_DEVCAP, cap);

    if (!ret && cap.v & PCI_EXP_DEVCAP_FLR) {
      await this.vfio_pci_zap_and_down_write_memory_lock(vdev);
      await pci_try_reset_function(vdev.pdev);
      await up_write(vdev.memory_lock);
    }
  }

  // Payload size concerns the whole hierarchy, so the user's stays virtual. Request size reaches the hardware, but
  // never below the payload size in use, which a user who does not know it might choose.
  if (readrq !== (le16_to_cpu(ctrl.v) & PCI_EXP_DEVCTL_READRQ)) {
    readrq = 128 << ((le16_to_cpu(ctrl.v) & PCI_EXP_DEVCTL_READRQ) >> 12);
    readrq = max(readrq, await pcie_get_mps(vdev.pdev));

    await pcie_set_readrq(vdev.pdev, readrq);
  }

  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static init_pci_cap_exp_perm() */
export function init_pci_cap_exp_perm(this: Kernel, perm: perm_bits): int {
  // The largest layout
  if (this.alloc_perm_bits(perm, PCI_CAP_EXP_ENDPOINT_SIZEOF_V2)) return -ENOMEM;

  perm.writefn = (...a) => this.vfio_exp_config_write(...a);

  this.p_setb(perm, PCI_CAP_LIST_NEXT, U8, NO_WRITE);

  // Device control, but not phantom functions (the IOMMU would not know them), nor payload size (not the function's
  // own affair), nor ARI (fixed when the device was found). FLR and read request go through the writefn.
  this.p_setw(
    perm,
    PCI_EXP_DEVCTL,
    PCI_EXP_DEVCTL_BCR_FLR | PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_READRQ,
    ~PCI_EXP_DEVCTL_PHANTOM,
  );
  this.p_setw(perm, PCI_EXP_DEVCTL2, NO_VIRT, ~PCI_EXP_DEVCTL2_ARI);
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_af_config_write() */
export async function vfio_af_config_write(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: u32,
): Promise<int> {
  const ctrl = u8_at(vdev.vconfig, pos - offset + PCI_AF_CTRL);

  count = await this.vfio_default_config_write(vdev, pos, count, perm, offset, val);
  if (count < 0) return count;

  // The FLR of conventional PCI, as in vfio_exp_config_write()
  if (ctrl.v & PCI_AF_CTRL_FLR) {
    const cap: Ref<u8> = ref(0);

    ctrl.v &= ~PCI_AF_CTRL_FLR;

    const ret = await pci_user_read_config_byte(vdev.pdev, pos - offset + PCI_AF_CAP, cap);

    if (!ret && cap.v & PCI_AF_CAP_FLR && cap.v & PCI_AF_CAP_TP) {
      await this.vfio_pci_zap_and_down_write_memory_lock(vdev);
      await pci_try_reset_function(vdev.pdev);
      await up_write(vdev.memory_lock);
    }
  }

  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static init_pci_cap_af_perm() */
export function init_pci_cap_af_perm(this: Kernel, perm: perm_bits): int {
  if (this.alloc_perm_bits(perm, this.pci_cap_length[PCI_CAP_ID_AF])) return -ENOMEM;

  perm.writefn = (...a) => this.vfio_af_config_write(...a);

  this.p_setb(perm, PCI_CAP_LIST_NEXT, U8, NO_WRITE);
  this.p_setb(perm, PCI_AF_CTRL, PCI_AF_CTRL_FLR, PCI_AF_CTRL_FLR);
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static init_pci_ext_cap_err_perm() */
export function init_pci_ext_cap_err_perm(this: Kernel, perm: perm_bits): int {
  if (this.alloc_perm_bits(perm, this.pci_ext_cap_length[PCI_EXT_CAP_ID_ERR])) return -ENOMEM;

  // The header of every extended capability: its next pointer skips what is hidden
  this.p_setd(perm, 0, ALL_VIRT, NO_WRITE);

  let mask: u32 =
    PCI_ERR_UNC_UND |
    PCI_ERR_UNC_DLP |
    PCI_ERR_UNC_SURPDN |
    PCI_ERR_UNC_POISON_TLP |
    PCI_ERR_UNC_FCP |
    PCI_ERR_UNC_COMP_TIME |
    PCI_ERR_UNC_COMP_ABORT |
    PCI_ERR_UNC_UNX_COMP |
    PCI_ERR_UNC_RX_OVER |
    PCI_ERR_UNC_MALF_TLP |
    PCI_ERR_UNC_ECRC |
    PCI_ERR_UNC_UNSUP |
    PCI_ERR_UNC_ACSV |
    PCI_ERR_UNC_INTN |
    PCI_ERR_UNC_MCBTLP |
    PCI_ERR_UNC_ATOMEG |
    PCI_ERR_UNC_TLPPRE;
  this.p_setd(perm, PCI_ERR_UNCOR_STATUS, NO_VIRT, mask);
  this.p_setd(perm, PCI_ERR_UNCOR_MASK, NO_VIRT, mask);
  this.p_setd(perm, PCI_ERR_UNCOR_SEVER, NO_VIRT, mask);

  mask =
    PCI_ERR_COR_RCVR |
    PCI_ERR_COR_BAD_TLP |
    PCI_ERR_COR_BAD_DLLP |
    PCI_ERR_COR_REP_ROLL |
    PCI_ERR_COR_REP_TIMER |
    PCI_ERR_COR_ADV_NFAT |
    PCI_ERR_COR_INTERNAL |
    PCI_ERR_COR_LOG_OVER;
  this.p_setd(perm, PCI_ERR_COR_STATUS, NO_VIRT, mask);
  this.p_setd(perm, PCI_ERR_COR_MASK, NO_VIRT, mask);

  mask = PCI_ERR_CAP_ECRC_GENE | PCI_ERR_CAP_ECRC_CHKE;
  this.p_setd(perm, PCI_ERR_CAP, NO_VIRT, mask);
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static init_pci_ext_cap_pwr_perm() */
export function init_pci_ext_cap_pwr_perm(this: Kernel, perm: perm_bits): int {
  if (this.alloc_perm_bits(perm, this.pci_ext_cap_length[PCI_EXT_CAP_ID_PWR])) return -ENOMEM;

  this.p_setd(perm, 0, ALL_VIRT, NO_WRITE);

  // Which data to show may be chosen; the data cannot be written
  this.p_setb(perm, PCI_PWR_DATA, NO_VIRT, U8);
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c vfio_pci_uninit_perm_bits() */
export function vfio_pci_uninit_perm_bits(this: Kernel): void {
  this.free_perm_bits(this.cap_perms[PCI_CAP_ID_BASIC]);

  this.free_perm_bits(this.cap_perms[PCI_CAP_ID_PM]);
  this.free_perm_bits(this.cap_perms[PCI_CAP_ID_VPD]);
  this.free_perm_bits(this.cap_perms[PCI_CAP_ID_PCIX]);
  this.free_perm_bits(this.cap_perms[PCI_CAP_ID_EXP]);
  this.free_perm_bits(this.cap_perms[PCI_CAP_ID_AF]);

  this.free_perm_bits(this.ecap_perms[PCI_EXT_CAP_ID_ERR]);
  this.free_perm_bits(this.ecap_perms[PCI_EXT_CAP_ID_PWR]);
}

/** C: drivers/vfio/pci/vfio_pci_config.c vfio_pci_init_perm_bits() */
export function vfio_pci_init_perm_bits(this: Kernel): int {
  // The header
  let ret = this.init_pci_cap_basic_perm(this.cap_perms[PCI_CAP_ID_BASIC]);

  // Capabilities
  ret |= this.init_pci_cap_pm_perm(this.cap_perms[PCI_CAP_ID_PM]);
  ret |= this.init_pci_cap_vpd_perm(this.cap_perms[PCI_CAP_ID_VPD]);
  ret |= this.init_pci_cap_pcix_perm(this.cap_perms[PCI_CAP_ID_PCIX]);
  this.cap_perms[PCI_CAP_ID_VNDR].writefn = (...a) => this.vfio_raw_config_write(...a);
  ret |= this.init_pci_cap_exp_perm(this.cap_perms[PCI_CAP_ID_EXP]);
  ret |= this.init_pci_cap_af_perm(this.cap_perms[PCI_CAP_ID_AF]);

  // Extended capabilities
  ret |= this.init_pci_ext_cap_err_perm(this.ecap_perms[PCI_EXT_CAP_ID_ERR]);
  ret |= this.init_pci_ext_cap_pwr_perm(this.ecap_perms[PCI_EXT_CAP_ID_PWR]);
  this.ecap_perms[PCI_EXT_CAP_ID_VNDR].writefn = (...a) => this.vfio_raw_config_write(...a);

  if (ret) this.vfio_pci_uninit_perm_bits();

  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_find_cap_start() */
export function vfio_find_cap_start(this: Kernel, vdev: vfio_pci_core_device, pos: int): int {
  const base = pos >= PCI_CFG_SPACE_SIZE ? PCI_CFG_SPACE_SIZE : PCI_STD_HEADER_SIZEOF;
  const cap: u8 = vdev.pci_config_map[pos];

  if (cap === PCI_CAP_ID_BASIC) return 0;

  // Two capabilities of one kind side by side would look like one
  while (pos - 1 >= base && vdev.pci_config_map[pos - 1] === cap) pos--;

  return pos;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_msi_config_read() */
export async function vfio_msi_config_read(
  this: Kernel,
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: Ref<u32>,
): Promise<int> {
  // The number of vectors comes from msi_qmax. (The C has the start of the capability here, not its flags: kept.)
  if (offset <= PCI_MSI_FLAGS && offset + count >= PCI_MSI_FLAGS) {
    const start = this.vfio_find_cap_start(vdev, pos);

    const flags = le16_at(vdev.vconfig, start);

    flags.v &= cpu_to_le16(~PCI_MSI_FLAGS_QMASK);
    flags.v |= cpu_to_le16(vdev.msi_qmax << 1);
  }

  return await this.vfio_default_config_read(vdev, pos, count, perm, offset, val);
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_msi_config_write() */
export async function vfio_msi_config_write(
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

  // Enable and the number of vectors go to the device, corrected
  if (offset <= PCI_MSI_FLAGS && offset + count >= PCI_MSI_FLAGS) {
    const start = this.vfio_find_cap_start(vdev, pos);

    const pflags = le16_at(vdev.vconfig, start + PCI_MSI_FLAGS);

    let flags: u16 = le16_to_cpu(pflags.v);

    // It is SET_IRQS that turns MSI on
    if (!is_msi(vdev)) flags &= ~PCI_MSI_FLAGS_ENABLE;

    // No more than were allocated
    if ((flags & PCI_MSI_FLAGS_QSIZE) >> 4 > vdev.msi_qmax) {
      flags &= ~PCI_MSI_FLAGS_QSIZE;
      flags |= vdev.msi_qmax << 4;
    }

    // To vconfig and to the device
    pflags.v = cpu_to_le16(flags);
    const ret = await pci_user_write_config_word(vdev.pdev, start + PCI_MSI_FLAGS, flags);
    if (ret) return ret;
  }

  return count;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static init_pci_cap_msi_perm() */
export function init_pci_cap_msi_perm(this: Kernel, perm: perm_bits, len: int, flags: u16): int {
  if (this.alloc_perm_bits(perm, len)) return -ENOMEM;

  perm.readfn = (...a) => this.vfio_msi_config_read(...a);
  perm.writefn = (...a) => this.vfio_msi_config_write(...a);

  this.p_setb(perm, PCI_CAP_LIST_NEXT, U8, NO_WRITE);

  // The upper byte of the control register has nothing to write
  this.p_setb(perm, PCI_MSI_FLAGS, U8, U8);
  this.p_setd(perm, PCI_MSI_ADDRESS_LO, ALL_VIRT, ALL_WRITE);
  if (flags & PCI_MSI_FLAGS_64BIT) {
    this.p_setd(perm, PCI_MSI_ADDRESS_HI, ALL_VIRT, ALL_WRITE);
    this.p_setw(perm, PCI_MSI_DATA_64, U16, U16);
    if (flags & PCI_MSI_FLAGS_MASKBIT) {
      this.p_setd(perm, PCI_MSI_MASK_64, NO_VIRT, ALL_WRITE);
      this.p_setd(perm, PCI_MSI_PENDING_64, NO_VIRT, ALL_WRITE);
    }
  } else {
    this.p_setw(perm, PCI_MSI_DATA_32, U16, U16);
    if (flags & PCI_MSI_FLAGS_MASKBIT) {
      this.p_setd(perm, PCI_MSI_MASK_32, NO_VIRT, ALL_WRITE);
      this.p_setd(perm, PCI_MSI_PENDING_32, NO_VIRT, ALL_WRITE);
    }
  }
  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_msi_cap_len() */
export async function vfio_msi_cap_len(this: Kernel, vdev: vfio_pci_core_device, pos: u8): Promise<int> {
  const pdev = vdev.pdev;
  const flags: Ref<u16> = ref(0);

  let ret = await pci_read_config_word(pdev, pos + PCI_MSI_FLAGS, flags);
  if (ret) return pcibios_err_to_errno(ret);

  let len = 10; // 32-bit address, no masking
  if (flags.v & PCI_MSI_FLAGS_64BIT) len += 4;
  if (flags.v & PCI_MSI_FLAGS_MASKBIT) len += 10;

  if (vdev.msi_perm) return len;

  vdev.msi_perm = kzalloc(perm_bits, GFP_KERNEL);
  if (!vdev.msi_perm) return -ENOMEM;

  ret = this.init_pci_cap_msi_perm(vdev.msi_perm, len, flags.v);
  if (ret) {
    kfree(vdev.msi_perm);
    return ret;
  }

  return len;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_vc_cap_len() */
export async function vfio_vc_cap_len(this: Kernel, vdev: vfio_pci_core_device, pos: u16): Promise<int> {
  const pdev = vdev.pdev;
  const tmp: Ref<u32> = ref(0);
  let phases: int;
  let len: int = PCI_CAP_VC_BASE_SIZEOF;

  let ret = await pci_read_config_dword(pdev, pos + PCI_VC_PORT_CAP1, tmp);
  if (ret) return pcibios_err_to_errno(ret);

  const evcc: int = tmp.v & PCI_VC_CAP1_EVCC; // virtual channels besides the first
  ret = await pci_read_config_dword(pdev, pos + PCI_VC_PORT_CAP2, tmp);
  if (ret) return pcibios_err_to_errno(ret);

  if (tmp.v & PCI_VC_CAP2_128_PHASE) phases = 128;
  else if (tmp.v & PCI_VC_CAP2_64_PHASE) phases = 64;
  else if (tmp.v & PCI_VC_CAP2_32_PHASE) phases = 32;
  else phases = 0;

  const vc_arb = phases * 4;

  // Port and function arbitration tables follow, but nobody may write them: their size does not matter
  len += (1 + evcc) * PCI_CAP_VC_PER_VC_SIZEOF;
  if (vc_arb) {
    len = round_up(len, 16);
    len += vc_arb / 8;
  }
  return len;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_cap_len() */
export async function vfio_cap_len(this: Kernel, vdev: vfio_pci_core_device, cap: u8, pos: u8): Promise<int> {
  const pdev = vdev.pdev;
  const dword: Ref<u32> = ref(0);
  const word: Ref<u16> = ref(0);
  const byte: Ref<u8> = ref(0);
  let ret: int;

  switch (cap) {
    case PCI_CAP_ID_MSI:
      return await this.vfio_msi_cap_len(vdev, pos);
    case PCI_CAP_ID_PCIX:
      ret = await pci_read_config_word(pdev, pos + PCI_X_CMD, word);
      if (ret) return pcibios_err_to_errno(ret);

      if (PCI_X_CMD_VERSION(word.v)) {
        if (pdev.cfg_size > PCI_CFG_SPACE_SIZE) {
          // are there extended capabilities?
          await pci_read_config_dword(pdev, PCI_CFG_SPACE_SIZE, dword);
          vdev.extended_caps = dword.v !== 0;
        }
        return PCI_CAP_PCIX_SIZEOF_V2;
      } else return PCI_CAP_PCIX_SIZEOF_V0;
    case PCI_CAP_ID_VNDR:
      // its third byte
      ret = await pci_read_config_byte(pdev, pos + PCI_CAP_FLAGS, byte);
      if (ret) return pcibios_err_to_errno(ret);

      return byte.v;
    case PCI_CAP_ID_EXP:
      if (pdev.cfg_size > PCI_CFG_SPACE_SIZE) {
        // are there extended capabilities?
        await pci_read_config_dword(pdev, PCI_CFG_SPACE_SIZE, dword);
        vdev.extended_caps = dword.v !== 0;
      }

      // by version and type
      if ((pcie_caps_reg(pdev) & PCI_EXP_FLAGS_VERS) === 1) {
        if (pci_pcie_type(pdev) === PCI_EXP_TYPE_RC_END) return 0xc; // device registers, no link
        return PCI_CAP_EXP_ENDPOINT_SIZEOF_V1;
      } else {
        if (pci_pcie_type(pdev) === PCI_EXP_TYPE_RC_END) return 0x2c; // no link
        return PCI_CAP_EXP_ENDPOINT_SIZEOF_V2;
      }
    case PCI_CAP_ID_HT:
      ret = await pci_read_config_byte(pdev, pos + 3, byte);
      if (ret) return pcibios_err_to_errno(ret);

      return byte.v & HT_3BIT_CAP_MASK ? HT_CAP_SIZEOF_SHORT : HT_CAP_SIZEOF_LONG;
    case PCI_CAP_ID_SATA:
      ret = await pci_read_config_byte(pdev, pos + PCI_SATA_REGS, byte);
      if (ret) return pcibios_err_to_errno(ret);

      byte.v &= PCI_SATA_REGS_MASK;
      if (byte.v === PCI_SATA_REGS_INLINE) return PCI_SATA_SIZEOF_LONG;
      else return PCI_SATA_SIZEOF_SHORT;
    default:
      pci_warn(pdev, `vfio_cap_len: unknown length for PCI cap ${hex(cap)}@${hex(pos)}\n`);
  }

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_ext_cap_len() */
export async function vfio_ext_cap_len(
  this: Kernel,
  vdev: vfio_pci_core_device,
  ecap: u16,
  epos: u16,
): Promise<int> {
  const pdev = vdev.pdev;
  const byte: Ref<u8> = ref(0);
  const dword: Ref<u32> = ref(0);
  let ret: int;

  switch (ecap) {
    case PCI_EXT_CAP_ID_VNDR:
      ret = await pci_read_config_dword(pdev, epos + PCI_VSEC_HDR, dword);
      if (ret) return pcibios_err_to_errno(ret);

      return dword.v >>> PCI_VSEC_HDR_LEN_SHIFT;
    case PCI_EXT_CAP_ID_VC:
    case PCI_EXT_CAP_ID_VC9:
    case PCI_EXT_CAP_ID_MFVC:
      return await this.vfio_vc_cap_len(vdev, epos);
    case PCI_EXT_CAP_ID_ACS:
      ret = await pci_read_config_byte(pdev, epos + PCI_ACS_CAP, byte);
      if (ret) return pcibios_err_to_errno(ret);

      if (byte.v & PCI_ACS_EC) {
        ret = await pci_read_config_byte(pdev, epos + PCI_ACS_EGRESS_BITS, byte);
        if (ret) return pcibios_err_to_errno(ret);

        const bits = byte.v ? round_up(byte.v, 32) : 256;
        return 8 + bits / 8;
      }
      return 8;

    case PCI_EXT_CAP_ID_REBAR:
      ret = await pci_read_config_byte(pdev, epos + PCI_REBAR_CTRL, byte);
      if (ret) return pcibios_err_to_errno(ret);

      byte.v &= PCI_REBAR_CTRL_NBAR_MASK;
      byte.v >>= PCI_REBAR_CTRL_NBAR_SHIFT;

      return 4 + byte.v * 8;
    case PCI_EXT_CAP_ID_DPA:
      ret = await pci_read_config_byte(pdev, epos + PCI_DPA_CAP, byte);
      if (ret) return pcibios_err_to_errno(ret);

      byte.v &= PCI_DPA_CAP_SUBSTATE_MASK;
      return PCI_DPA_BASE_SIZEOF + byte.v + 1;
    case PCI_EXT_CAP_ID_TPH:
      ret = await pci_read_config_dword(pdev, epos + PCI_TPH_CAP, dword);
      if (ret) return pcibios_err_to_errno(ret);

      if ((dword.v & PCI_TPH_CAP_LOC_MASK) === PCI_TPH_LOC_CAP) {
        let sts: int = dword.v & PCI_TPH_CAP_ST_MASK;
        sts >>= PCI_TPH_CAP_ST_SHIFT;
        return PCI_TPH_BASE_SIZEOF + sts * 2 + 2;
      }
      return PCI_TPH_BASE_SIZEOF;
    default:
      pci_warn(pdev, `vfio_ext_cap_len: unknown length for PCI ecap ${hex(ecap)}@${hex(epos)}\n`);
  }

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_update_pm_vconfig_bytes() */
export function vfio_update_pm_vconfig_bytes(this: Kernel, vdev: vfio_pci_core_device, offset: int): void {
  const pmc = le16_at(vdev.vconfig, offset + PCI_PM_PMC);
  const ctrl = le16_at(vdev.vconfig, offset + PCI_PM_CTRL);

  // No PME for the user: see init_pci_cap_pm_perm()
  pmc.v &= ~cpu_to_le16(PCI_PM_CAP_PME_MASK);
  ctrl.v &= ~cpu_to_le16(PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS);
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_fill_vconfig_bytes() */
export async function vfio_fill_vconfig_bytes(
  this: Kernel,
  vdev: vfio_pci_core_device,
  offset: int,
  size: int,
): Promise<int> {
  const pdev = vdev.pdev;
  let ret = 0;

  // Dwords wherever they are aligned, as pci_save_state() does
  while (size) {
    let filled: int;

    if (size >= 4 && !(offset % 4)) {
      const dwordp = le32_at(vdev.vconfig, offset);
      const dword: Ref<u32> = ref(0);

      ret = await pci_read_config_dword(pdev, offset, dword);
      if (ret) return ret;
      dwordp.v = cpu_to_le32(dword.v);
      filled = 4;
    } else if (size >= 2 && !(offset % 2)) {
      const wordp = le16_at(vdev.vconfig, offset);
      const word: Ref<u16> = ref(0);

      ret = await pci_read_config_word(pdev, offset, word);
      if (ret) return ret;
      wordp.v = cpu_to_le16(word.v);
      filled = 2;
    } else {
      const byte = u8_at(vdev.vconfig, offset);
      ret = await pci_read_config_byte(pdev, offset, byte);
      if (ret) return ret;
      filled = 1;
    }

    offset += filled;
    size -= filled;
  }

  return ret;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_cap_init() */
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

    if (cap.v === PCI_CAP_ID_PM) this.vfio_update_pm_vconfig_bytes(vdev, pos.v);

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

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_ecap_init() */
export async function vfio_ecap_init(this: Kernel, vdev: vfio_pci_core_device): Promise<int> {
  const pdev = vdev.pdev;
  const map = vdev.pci_config_map;
  let prev: Ref<u32> | null = null;
  let ecaps = 0;

  if (!vdev.extended_caps) return 0;

  let epos: u16 = PCI_CFG_SPACE_SIZE;

  let loops = (pdev.cfg_size - PCI_CFG_SPACE_SIZE) / PCI_CAP_SIZEOF;

  while (loops-- && epos >= PCI_CFG_SPACE_SIZE) {
    const header: Ref<u32> = ref(0);
    let len = 0;
    let hidden = false;

    let ret = await pci_read_config_dword(pdev, epos, header);
    if (ret) return ret;

    const ecap: u16 = PCI_EXT_CAP_ID(header.v);

    if (ecap <= PCI_EXT_CAP_ID_MAX) {
      len = this.pci_ext_cap_length[ecap];
      if (len === 0xff) {
        len = await this.vfio_ext_cap_len(vdev, ecap, epos);
        if (len < 0) return len;
      }
    }

    if (!len) {
      pci_info(pdev, `vfio_ecap_init: hiding ecap ${hex(ecap)}@${hex(epos)}\n`);

      // Skipped, unless it is the first
      if (prev) {
        const val: u32 = (epos = PCI_EXT_CAP_NEXT(header.v));
        prev.v &= cpu_to_le32(~(0xffc << 20));
        prev.v |= cpu_to_le32(val << 20);
        continue;
      }

      // which stays as an empty header to hang the list on
      len = PCI_CAP_SIZEOF;
      hidden = true;
    }

    for (let i = 0; i < len; i++) {
      if ((map[epos + i] ?? PCI_CAP_ID_INVALID) === PCI_CAP_ID_INVALID) continue;

      const was = map[epos + i];
      pci_warn(
        pdev,
        `vfio_ecap_init: PCI config conflict @${hex(epos + i)}, was ecap ${hex(was)} now ecap ${hex(ecap)}\n`,
      );
    }

    // Ids of two bytes in a map of bytes: those with a length are far below 0xfe
    BUILD_BUG_ON(PCI_EXT_CAP_ID_MAX >= PCI_CAP_ID_INVALID_VIRT);

    memset(map, ecap, len, epos);
    ret = await this.vfio_fill_vconfig_bytes(vdev, epos, len);
    if (ret) return ret;

    // Only the next pointer of an empty header is shown; it does not count
    if (hidden) le32_at(vdev.vconfig, epos).v &= cpu_to_le32(0xffc << 20);
    else ecaps++;

    prev = le32_at(vdev.vconfig, epos);
    epos = PCI_EXT_CAP_NEXT(header.v);
  }

  if (!ecaps) le32_at(vdev.vconfig, PCI_CFG_SPACE_SIZE).v = 0;

  return 0;
}

/** C: drivers/vfio/pci/vfio_pci_config.c vfio_config_init() */
export async function vfio_config_init(this: Kernel, vdev: vfio_pci_core_device): Promise<int> {
  const pdev = vdev.pdev;
  let ret: int;

  // A byte of map for a byte of config space: capabilities start at dwords but may end anywhere
  const map = kmalloc(pdev.cfg_size, GFP_KERNEL);
  if (!map) return -ENOMEM;

  const vconfig = kmalloc(pdev.cfg_size, GFP_KERNEL);
  if (!vconfig) {
    kfree(map);
    return -ENOMEM;
  }

  vdev.pci_config_map = map;
  vdev.vconfig = vconfig;

  memset(map, PCI_CAP_ID_BASIC, PCI_STD_HEADER_SIZEOF);
  memset(map, PCI_CAP_ID_INVALID, pdev.cfg_size - PCI_STD_HEADER_SIZEOF, PCI_STD_HEADER_SIZEOF);

  out: {
    ret = await this.vfio_fill_vconfig_bytes(vdev, 0, PCI_STD_HEADER_SIZEOF);
    if (ret) break out;

    vdev.bardirty = true;

    // What vfio_bar_restore() writes after a reset
    vdev.rbar[0] = le32_to_cpu(le32_at(vconfig, PCI_BASE_ADDRESS_0).v);
    vdev.rbar[1] = le32_to_cpu(le32_at(vconfig, PCI_BASE_ADDRESS_1).v);
    vdev.rbar[2] = le32_to_cpu(le32_at(vconfig, PCI_BASE_ADDRESS_2).v);
    vdev.rbar[3] = le32_to_cpu(le32_at(vconfig, PCI_BASE_ADDRESS_3).v);
    vdev.rbar[4] = le32_to_cpu(le32_at(vconfig, PCI_BASE_ADDRESS_4).v);
    vdev.rbar[5] = le32_to_cpu(le32_at(vconfig, PCI_BASE_ADDRESS_5).v);
    vdev.rbar[6] = le32_to_cpu(le32_at(vconfig, PCI_ROM_ADDRESS).v);

    if (pdev.is_virtfn) {
      le16_at(vconfig, PCI_VENDOR_ID).v = cpu_to_le16(pdev.vendor);
      le16_at(vconfig, PCI_DEVICE_ID).v = cpu_to_le16(pdev.device);

      // A VF has no INTx. One that claims a pin is wrong, and the user could not tell it from a PF.
      if (vconfig[PCI_INTERRUPT_PIN] && !pci_match_id(this.known_bogus_vf_intx_pin, pdev))
        pci_warn(pdev, `Hardware bug: VF reports bogus INTx pin ${vconfig[PCI_INTERRUPT_PIN]}\n`);

      vconfig[PCI_INTERRUPT_PIN] = 0;
    }
    if (pdev.no_command_memory) {
      // The device has no memory enable bit for pci_enable_device() to set, so the virtual one starts set,
      // as it does for a PF.
      le16_at(vconfig, PCI_COMMAND).v |= cpu_to_le16(PCI_COMMAND_MEMORY);
    }

    if (!IS_ENABLED(CONFIG_VFIO_PCI_INTX) || vdev.nointx) vconfig[PCI_INTERRUPT_PIN] = 0;

    ret = await this.vfio_cap_init(vdev);
    if (ret) break out;

    ret = await this.vfio_ecap_init(vdev);
    if (ret) break out;

    return 0;
  }
  kfree(map);
  vdev.pci_config_map = null!;
  kfree(vconfig);
  vdev.vconfig = null!;
  return pcibios_err_to_errno(ret);
}

/** C: drivers/vfio/pci/vfio_pci_config.c vfio_config_free() */
export function vfio_config_free(this: Kernel, vdev: vfio_pci_core_device): void {
  kfree(vdev.vconfig);
  vdev.vconfig = null!;
  kfree(vdev.pci_config_map);
  vdev.pci_config_map = null!;
  if (vdev.msi_perm) {
    this.free_perm_bits(vdev.msi_perm);
    kfree(vdev.msi_perm);
    vdev.msi_perm = null;
  }
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_pci_cap_remaining_dword() */
export function vfio_pci_cap_remaining_dword(this: Kernel, vdev: vfio_pci_core_device, pos: number): int {
  const cap: u8 = vdev.pci_config_map[pos];
  let i: int;

  for (i = 1; (pos + i) % 4 && vdev.pci_config_map[pos + i] === cap; i++);

  return i;
}

/** C: drivers/vfio/pci/vfio_pci_config.c static vfio_config_do_rw() */
export async function vfio_config_do_rw(
  this: Kernel,
  vdev: vfio_pci_core_device,
  buf: user_ptr,
  count: number,
  ppos: Ref<number>,
  iswrite: boolean,
): Promise<int> {
  const pdev = vdev.pdev;
  let perm: perm_bits;
  const bytes = new Uint8Array(4);
  const val = le32_at(bytes, 0);
  let cap_start = 0;

  if (ppos.v < 0 || ppos.v >= pdev.cfg_size || ppos.v + count > pdev.cfg_size) return -EFAULT;

  // One aligned access to one capability; the caller goes on with the rest
  count = min(count, this.vfio_pci_cap_remaining_dword(vdev, ppos.v));
  if (count >= 4 && !(ppos.v % 4)) count = 4;
  else if (count >= 2 && !(ppos.v % 2)) count = 2;
  else count = 1;

  let ret = count;

  const cap_id: u8 = vdev.pci_config_map[ppos.v];

  if (cap_id === PCI_CAP_ID_INVALID) {
    perm = this.unassigned_perms;
    cap_start = ppos.v;
  } else if (cap_id === PCI_CAP_ID_INVALID_VIRT) {
    perm = this.virt_perms;
    cap_start = ppos.v;
  } else {
    if (ppos.v >= PCI_CFG_SPACE_SIZE) {
      WARN_ON(cap_id > PCI_EXT_CAP_ID_MAX);

      // An unknown first capability, hidden by vfio_ecap_init(), has no entry: the C reads past its table, here it
      // is read as DSN is, without a table of its own.
      perm = this.ecap_perms[cap_id] ?? this.ecap_perms[PCI_EXT_CAP_ID_DSN];
      cap_start = this.vfio_find_cap_start(vdev, ppos.v);
    } else {
      WARN_ON(cap_id > PCI_CAP_ID_MAX);

      perm = this.cap_perms[cap_id];

      if (cap_id === PCI_CAP_ID_MSI && vdev.msi_perm) perm = vdev.msi_perm;

      if (cap_id > PCI_CAP_ID_BASIC) cap_start = this.vfio_find_cap_start(vdev, ppos.v);
    }
  }

  WARN_ON(!cap_start && cap_id !== PCI_CAP_ID_BASIC);
  WARN_ON(cap_start > ppos.v);

  const offset = ppos.v - cap_start;

  if (iswrite) {
    if (!perm.writefn) return ret;

    if (copy_from_user(bytes, buf, count)) return -EFAULT;

    ret = await perm.writefn(vdev, ppos.v, count, perm, offset, val.v);
  } else {
    if (perm.readfn) {
      ret = await perm.readfn(vdev, ppos.v, count, perm, offset, val);
      if (ret < 0) return ret;
    }

    if (copy_to_user(buf, bytes, count)) return -EFAULT;
  }

  return ret;
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
  let done = 0;
  let ret = 0;
  const pos: Ref<number> = ref(VFIO_PCI_OFFSET_TO_POS(ppos.v));

  while (count) {
    ret = await this.vfio_config_do_rw(vdev, buf, count, pos, iswrite);
    if (ret < 0) return ret;

    count -= ret;
    done += ret;
    buf += ret;
    pos.v += ret;
  }

  ppos.v += done;

  return done;
}
