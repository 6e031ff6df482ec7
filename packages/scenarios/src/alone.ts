// SPDX-License-Identifier: GPL-2.0-only
// Low power in one call, for races that are searched whole: what has to be before or after it is left to the set-up.
import { dev_name, EINVAL, ENOTTY } from '@vfio-lab/kernel';
import { lowPowerOf, type VfioDevice } from '@vfio-lab/testbed';
import { type Lab, result } from './lab.ts';

/** What a set-up says of a revision on which the question does not arise. */
export const NO_LOW_POWER = 'no low power (ENOTTY)';
export const NO_WAKEUP = 'no eventfd at ENTER';
export const REFUSED = 'ENTER refused';

/**
 * Keep the port above a device awake, as `echo on > power/control` does: the device falls asleep and wakes alone, with a
 * hundredth of the schedules. For devices whose power is not the port's.
 */
export async function keepPortAwake(lab: Lab, bdf: string): Promise<void> {
  const port = lab.pdev(bdf).dev.parent;
  if (port === null) throw new Error(`${bdf} has no port above it`);
  await lab.host(() => lab.testbed.sysfsWrite(`/sys/bus/pci/devices/${dev_name(port)}/power/control`, 'on'));
}

/**
 * Bring a device to where a single ENTER is taken, and everything else to rest; false (and an outcome that says so) where
 * there is no low power.
 */
export async function readyToEnter(lab: Lab, dev: VfioDevice): Promise<boolean> {
  const low = lowPowerOf(lab.testbed.revision);
  if (!low.has.lowPower) {
    lab.saw(NO_LOW_POWER);
    return false;
  }
  await low.prepare(dev);
  // An idle check that the set-up has asked for would be one more task in the race.
  await lab.settle();
  return true;
}

/** ENTER, one ioctl, of a device that is ready for it. False, with an outcome that says so: it was not taken. */
export async function enterAlone(lab: Lab, dev: VfioDevice, wakeup?: number): Promise<boolean> {
  const low = lowPowerOf(lab.testbed.revision);
  const ret = await low.enterOnly(dev, wakeup === undefined ? {} : { wakeup });
  // v3 gives 1 for success and a positive EINVAL.
  if (ret >= 0 && ret !== EINVAL) return true;
  lab.saw(ret === -ENOTTY ? NO_LOW_POWER : `${REFUSED} (${result(-Math.abs(ret))})`);
  return false;
}

/** EXIT, one ioctl: 0 or -errno. */
export async function exitAlone(lab: Lab, dev: VfioDevice): Promise<number> {
  const ret = await lowPowerOf(lab.testbed.revision).exitOnly(dev);
  return ret === EINVAL ? -EINVAL : Math.min(ret, 0);
}
