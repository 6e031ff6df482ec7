// SPDX-License-Identifier: GPL-2.0-only

/** A C function that is not ported, and why. */
export interface LeftOut {
  /** Path in the kernel tree (v5.19-rc4). */
  readonly file: string;
  readonly name: string;
  /** The condition of the build that it lies under. */
  readonly condition: string;
  readonly reason: string;
}

const igd =
  'needs the OpRegion, the host bridge and the LPC bridge of an Intel machine, which no topology has';
const zdev = 'reads the zPCI tables of a s390 machine';
const eeh = 'talks to the EEH firmware of a POWER machine';

function list(file: string, condition: string, reason: string, names: readonly string[]): LeftOut[] {
  return names.map((name) => ({ file, name, condition, reason }));
}

/**
 * Everything of the VFIO PCI driver that is left out. What the kernel headers put in place of these functions when
 * their option is off is in packages/headers: vfio_pci_igd_init() and vfio_pci_info_zdev_add_caps() say -ENODEV, the
 * EEH hooks do nothing. So opening an Intel display device goes on without the extra regions, as it does without
 * CONFIG_VFIO_PCI_IGD.
 */
export const LEFT_OUT: readonly LeftOut[] = [
  ...list('drivers/vfio/pci/vfio_pci_igd.c', 'CONFIG_VFIO_PCI_IGD', igd, [
    'igd_opregion_shift_copy',
    'vfio_pci_igd_rw',
    'vfio_pci_igd_release',
    'vfio_pci_igd_opregion_init',
    'vfio_pci_igd_cfg_rw',
    'vfio_pci_igd_cfg_release',
    'vfio_pci_igd_cfg_init',
    'vfio_pci_igd_init',
  ]),
  ...list('drivers/vfio/pci/vfio_pci_zdev.c', 'CONFIG_S390', zdev, [
    'zpci_base_cap',
    'zpci_group_cap',
    'zpci_util_cap',
    'zpci_pfip_cap',
    'vfio_pci_info_zdev_add_caps',
  ]),
  ...list('drivers/vfio/vfio_spapr_eeh.c', 'CONFIG_VFIO_SPAPR_EEH', eeh, [
    'vfio_spapr_pci_eeh_open',
    'vfio_spapr_pci_eeh_release',
    'vfio_spapr_iommu_eeh_ioctl',
  ]),
];

/**
 * Where a function that is left out would be called without a stand-in: ends the run instead of going on wrongly.
 *
 * @param name its C name
 * @throws Error always, naming the function and the reason
 */
export function left_out(name: string): never {
  const entry = LEFT_OUT.find((f) => f.name === name);
  throw new Error(
    entry === undefined
      ? `${name}() is not ported`
      : `${name}() is not ported (${entry.condition}): it ${entry.reason}`,
  );
}
