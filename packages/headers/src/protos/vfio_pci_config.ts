// SPDX-License-Identifier: GPL-2.0-only
/*
 * Prototypes and file-scope data of drivers/vfio/pci/vfio_pci_config.c, v5.19-rc4.
 */
import type { user_ptr } from '@vfio-lab/kernel';
import type { pci_dev, pci_device_id, pci_power_t } from '@vfio-lab/pci';
import type { int, Ref, u16, u32, u8 } from '@vfio-lab/sim';

import type { vfio_pci_core_device } from '../vfio_pci_core.ts';

/**
 * A read of `count` bytes (1, 2 or 4) at `pos`, which is `offset` in its capability.
 * The low `count` bytes of `val` get the data; the result is `count` or a negative errno.
 */
export type config_read<R> = (
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: Ref<u32>,
) => R;

/** A write of the low `count` bytes of `val`; the rest as for config_read. */
export type config_write<R> = (
  vdev: vfio_pci_core_device,
  pos: int,
  count: int,
  perm: perm_bits,
  offset: int,
  val: u32,
) => R;

/** C: drivers/vfio/pci/vfio_pci_config.c struct perm_bits. Which bits of a capability are virtual, which writable. */
export class perm_bits {
  /** 1: the bit is kept in vconfig; 0: it is the device's. There once alloc_perm_bits() was called. */
  virt!: Uint8Array;
  /** 1: the user may write the bit. */
  write!: Uint8Array;
  readfn: config_read<Promise<int> | int> | null = null;
  writefn: config_write<Promise<int> | int> | null = null;
}

/** Prototypes of vfio_pci_config.c, in file order; the tables are file-scope data, fresh for each image. */
export interface vfio_pci_config_c {
  readonly pci_cap_length: Uint8Array;
  readonly pci_ext_cap_length: Uint16Array;
  cap_perms: perm_bits[];
  ecap_perms: perm_bits[];
  unassigned_perms: perm_bits;
  virt_perms: perm_bits;
  readonly known_bogus_vf_intx_pin: readonly pci_device_id[];

  vfio_user_config_read(pdev: pci_dev, offset: int, val: Ref<u32>, count: int): Promise<int>;
  vfio_user_config_write(pdev: pci_dev, offset: int, val: u32, count: int): Promise<int>;
  vfio_default_config_read: config_read<Promise<int>>;
  vfio_default_config_write: config_write<Promise<int>>;
  vfio_direct_config_read: config_read<Promise<int>>;
  vfio_raw_config_write: config_write<Promise<int>>;
  vfio_raw_config_read: config_read<Promise<int>>;
  vfio_virt_config_write: config_write<int>;
  vfio_virt_config_read: config_read<int>;
  free_perm_bits(perm: perm_bits): void;
  alloc_perm_bits(perm: perm_bits, size: int): int;
  p_setb(p: perm_bits, off: int, virt: u8, write: u8): void;
  p_setw(p: perm_bits, off: int, virt: u16, write: u16): void;
  p_setd(p: perm_bits, off: int, virt: u32, write: u32): void;
  __vfio_pci_memory_enabled(vdev: vfio_pci_core_device): boolean;
  vfio_bar_restore(vdev: vfio_pci_core_device): Promise<void>;
  vfio_generate_bar_flags(pdev: pci_dev, bar: int): u32;
  vfio_bar_fixup(vdev: vfio_pci_core_device): void;
  vfio_basic_config_read: config_read<Promise<int>>;
  vfio_need_bar_restore(vdev: vfio_pci_core_device): Promise<boolean>;
  vfio_basic_config_write: config_write<Promise<int>>;
  init_pci_cap_basic_perm(perm: perm_bits): int;
  vfio_lock_and_set_power_state(vdev: vfio_pci_core_device, state: pci_power_t): Promise<void>;
  vfio_pm_config_write: config_write<Promise<int>>;
  init_pci_cap_pm_perm(perm: perm_bits): int;
  vfio_vpd_config_write: config_write<Promise<int>>;
  init_pci_cap_vpd_perm(perm: perm_bits): int;
  init_pci_cap_pcix_perm(perm: perm_bits): int;
  vfio_exp_config_write: config_write<Promise<int>>;
  init_pci_cap_exp_perm(perm: perm_bits): int;
  vfio_af_config_write: config_write<Promise<int>>;
  init_pci_cap_af_perm(perm: perm_bits): int;
  init_pci_ext_cap_err_perm(perm: perm_bits): int;
  init_pci_ext_cap_pwr_perm(perm: perm_bits): int;
  vfio_pci_uninit_perm_bits(): void;
  vfio_pci_init_perm_bits(): int;
  vfio_find_cap_start(vdev: vfio_pci_core_device, pos: int): int;
  vfio_msi_config_read: config_read<Promise<int>>;
  vfio_msi_config_write: config_write<Promise<int>>;
  init_pci_cap_msi_perm(perm: perm_bits, len: int, flags: u16): int;
  vfio_msi_cap_len(vdev: vfio_pci_core_device, pos: u8): Promise<int>;
  vfio_vc_cap_len(vdev: vfio_pci_core_device, pos: u16): Promise<int>;
  vfio_cap_len(vdev: vfio_pci_core_device, cap: u8, pos: u8): Promise<int>;
  vfio_ext_cap_len(vdev: vfio_pci_core_device, ecap: u16, epos: u16): Promise<int>;
  vfio_update_pm_vconfig_bytes(vdev: vfio_pci_core_device, offset: int): void;
  vfio_fill_vconfig_bytes(vdev: vfio_pci_core_device, offset: int, size: int): Promise<int>;
  vfio_cap_init(vdev: vfio_pci_core_device): Promise<int>;
  vfio_ecap_init(vdev: vfio_pci_core_device): Promise<int>;
  vfio_config_init(vdev: vfio_pci_core_device): Promise<int>;
  vfio_config_free(vdev: vfio_pci_core_device): void;
  vfio_pci_cap_remaining_dword(vdev: vfio_pci_core_device, pos: number): int;
  vfio_config_do_rw(
    vdev: vfio_pci_core_device,
    buf: user_ptr,
    count: number,
    ppos: Ref<number>,
    iswrite: boolean,
  ): Promise<int>;
  vfio_pci_config_rw(
    vdev: vfio_pci_core_device,
    buf: user_ptr,
    count: number,
    ppos: Ref<number>,
    iswrite: boolean,
  ): Promise<int>;
}
