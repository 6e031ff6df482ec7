// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest's low power, in whatever words a revision wants to hear: one program runs on all of them.
 */
import { VFIO_DEVICE_FEATURE_SET } from '@vfio-lab/headers';
import {
  PCI_CAP_ID_PM,
  PCI_CAP_LIST_ID,
  PCI_CAP_LIST_NEXT,
  PCI_CAPABILITY_LIST,
  PCI_D0,
  PCI_D3hot,
  PCI_PM_CTRL,
  PCI_PM_CTRL_STATE_MASK,
} from '@vfio-lab/pci';
import {
  type Revision,
  revision,
  v3_feature_power_management,
  v4_feature_power_management,
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
  VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
  VFIO_DEVICE_FEATURE_POWER_MANAGEMENT,
  vfio_device_low_power_entry_with_wakeup,
  VFIO_DEVICE_LOW_POWER_STATE_ENTER,
  VFIO_DEVICE_LOW_POWER_STATE_EXIT,
  VFIO_PM_LOW_POWER_ENTER,
  VFIO_PM_LOW_POWER_EXIT,
  VFIO_PM_LOW_POWER_REENTERY_DISABLE,
} from '@vfio-lab/series';
import type { VfioDevice } from './vfio-device.ts';

export interface EnterOptions {
  /** An eventfd to be signalled, once, when the device has been woken. Needs `has.wakeup`. */
  wakeup?: number;
  /** Woken by the host, the device is to stay awake. Needs `has.reentryDisable`. */
  reentryDisable?: boolean;
}

/** The low power of one revision. Results are those of the ioctl: >= 0, or -errno; v3 also gives 1 and +22 (EINVAL). */
export interface LowPower {
  readonly has: {
    /** There is a feature at all; otherwise every call gives -ENOTTY. */
    readonly lowPower: boolean;
    readonly wakeup: boolean;
    readonly reentryDisable: boolean;
    /** The device has to be in D3hot before; enter() and exit() write PM_CTRL. */
    readonly d3hotFirst: boolean;
  };
  /** Let the device sleep. Throws for an option that the revision does not have. */
  enter(dev: VfioDevice, options?: EnterOptions): Promise<number>;
  /** Wake the device, and keep it awake. */
  exit(dev: VfioDevice): Promise<number>;
  /** What has to be before enterOnly(): 0, the count of a write, or -errno. */
  prepare(dev: VfioDevice): Promise<number>;
  /** One ioctl, ENTER, and nothing before it. */
  enterOnly(dev: VfioDevice, options?: EnterOptions): Promise<number>;
  /** One ioctl, EXIT, and nothing after it. */
  exitOnly(dev: VfioDevice): Promise<number>;
}

/** How a user of a revision puts a device in low power. Throws InputError when there is no such revision. */
export function lowPowerOf(rev: string | Revision): LowPower {
  const { series, image } = typeof rev === 'string' ? revision(rev) : rev;
  const driver = (name: string): boolean => name in image.table;
  if (series?.name === 'v3') return new V3(driver('vfio_pci_core_feature_pm'));
  if (series?.name === 'v4')
    return new V4(driver('vfio_pci_core_feature_pm'), driver('vfio_pci_low_power_reentry_allowed'));
  return new V5(driver('vfio_pci_core_pm_entry'), driver('vfio_pci_core_pm_entry_with_wakeup'));
}

/** ENTER and EXIT are values, and the device has to be in D3hot. */
class V3 implements LowPower {
  readonly has;

  constructor(lowPower: boolean) {
    this.has = { lowPower, wakeup: false, reentryDisable: false, d3hotFirst: true };
  }

  async enter(dev: VfioDevice, options: EnterOptions = {}): Promise<number> {
    check(this, options);
    const ret = await this.prepare(dev);
    return ret < 0 ? ret : this.enterOnly(dev, options);
  }

  /** Also to D0: had the device not slept, it would still be in D3hot. */
  async exit(dev: VfioDevice): Promise<number> {
    const ret = await this.exitOnly(dev);
    await setPowerState(dev, PCI_D0);
    return ret;
  }

  prepare(dev: VfioDevice): Promise<number> {
    return setPowerState(dev, PCI_D3hot);
  }

  async enterOnly(dev: VfioDevice, options: EnterOptions = {}): Promise<number> {
    check(this, options);
    return this.set(dev, VFIO_DEVICE_LOW_POWER_STATE_ENTER);
  }

  exitOnly(dev: VfioDevice): Promise<number> {
    return this.set(dev, VFIO_DEVICE_LOW_POWER_STATE_EXIT);
  }

  private set(dev: VfioDevice, state: bigint): Promise<number> {
    const pm = new v3_feature_power_management();
    pm.low_power_state = state;
    return set(dev, VFIO_DEVICE_FEATURE_POWER_MANAGEMENT, pm.bytes);
  }
}

/** ENTER and EXIT are flags. */
class V4 implements LowPower {
  readonly has;

  constructor(lowPower: boolean, reentryDisable: boolean) {
    this.has = { lowPower, wakeup: false, reentryDisable, d3hotFirst: false };
  }

  enter(dev: VfioDevice, options: EnterOptions = {}): Promise<number> {
    check(this, options);
    const disable = options.reentryDisable === true ? VFIO_PM_LOW_POWER_REENTERY_DISABLE : 0;
    return this.set(dev, VFIO_PM_LOW_POWER_ENTER | disable);
  }

  exit(dev: VfioDevice): Promise<number> {
    return this.set(dev, VFIO_PM_LOW_POWER_EXIT);
  }

  prepare(): Promise<number> {
    return Promise.resolve(0);
  }

  enterOnly(dev: VfioDevice, options: EnterOptions = {}): Promise<number> {
    return this.enter(dev, options);
  }

  exitOnly(dev: VfioDevice): Promise<number> {
    return this.exit(dev);
  }

  private set(dev: VfioDevice, flags: number): Promise<number> {
    const pm = new v4_feature_power_management();
    pm.flags = flags;
    return set(dev, VFIO_DEVICE_FEATURE_POWER_MANAGEMENT, pm.bytes);
  }
}

/** A feature for each: v5 to v7. */
class V5 implements LowPower {
  readonly has;

  constructor(lowPower: boolean, wakeup: boolean) {
    this.has = { lowPower, wakeup, reentryDisable: false, d3hotFirst: false };
  }

  enter(dev: VfioDevice, options: EnterOptions = {}): Promise<number> {
    check(this, options);
    if (options.wakeup === undefined) return set(dev, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, new Uint8Array());
    const entry = new vfio_device_low_power_entry_with_wakeup();
    entry.wakeup_eventfd = options.wakeup;
    return set(dev, VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, entry.bytes);
  }

  exit(dev: VfioDevice): Promise<number> {
    return set(dev, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, new Uint8Array());
  }

  prepare(): Promise<number> {
    return Promise.resolve(0);
  }

  enterOnly(dev: VfioDevice, options: EnterOptions = {}): Promise<number> {
    return this.enter(dev, options);
  }

  exitOnly(dev: VfioDevice): Promise<number> {
    return this.exit(dev);
  }
}

function check(low: LowPower, options: EnterOptions): void {
  if (options.wakeup !== undefined && !low.has.wakeup)
    throw new Error('this revision tells nobody of the wake');
  if (options.reentryDisable === true && !low.has.reentryDisable)
    throw new Error('this revision cannot keep the device awake');
}

async function set(dev: VfioDevice, feature: number, payload: Uint8Array): Promise<number> {
  return (await dev.feature(VFIO_DEVICE_FEATURE_SET | feature, payload)).ret;
}

/** Write the state bits of PM_CTRL, as a guest does. The count written, -errno, or 0 for a device without the capability. */
async function setPowerState(dev: VfioDevice, state: number): Promise<number> {
  for (let pos = await dev.readConfig(PCI_CAPABILITY_LIST, 1), left = 48; pos >= 0x40 && left > 0; left--) {
    if ((await dev.readConfig(pos + PCI_CAP_LIST_ID, 1)) === PCI_CAP_ID_PM) {
      const ctrl = await dev.readConfig(pos + PCI_PM_CTRL, 2);
      if (ctrl < 0) return ctrl;
      return dev.writeConfig(pos + PCI_PM_CTRL, 2, (ctrl & ~PCI_PM_CTRL_STATE_MASK) | state);
    }
    pos = await dev.readConfig(pos + PCI_CAP_LIST_NEXT, 1);
  }
  return 0;
}
