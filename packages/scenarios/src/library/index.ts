// SPDX-License-Identifier: GPL-2.0-only
import { InputError, nearest } from '@vfio-lab/sim';
import type { Scenario } from '../scenario.ts';
import { barReadAsleep } from './bar-read-asleep.ts';
import { closeAsleep } from './close-asleep.ts';
import { closeResumed } from './close-resumed.ts';
import { configAccessVsLowPowerEntry } from './config-access-vs-low-power-entry.ts';
import { configReadAsleep } from './config-read-asleep.ts';
import { configReadVsLowPowerEntry } from './config-read-vs-low-power-entry.ts';
import { d3hotBeforeEnter } from './d3hot-before-enter.ts';
import { disableIdleD3 } from './disable-idle-d3.ts';
import { enterTwice } from './enter-twice.ts';
import { enterVsIoctl } from './enter-vs-ioctl.ts';
import { enterWithBadFlags } from './enter-with-bad-flags.ts';
import { exitAsleep } from './exit-asleep.ts';
import { exitResumed } from './exit-resumed.ts';
import { exitVsExit } from './exit-vs-exit.ts';
import { exitVsFallingAsleep } from './exit-vs-falling-asleep.ts';
import { exitVsHostAccess } from './exit-vs-host-access.ts';
import { exitVsHostWake } from './exit-vs-host-wake.ts';
import { exitWithoutEnter } from './exit-without-enter.ts';
import { faultVsHostAccess } from './fault-vs-host-access.ts';
import { getAndProbeAsleep } from './get-and-probe-asleep.ts';
import { guestMaskedIntxAsleep } from './guest-masked-intx-asleep.ts';
import { hotResetSleepingMember } from './hot-reset-sleeping-member.ts';
import { hotResetUnusedMember } from './hot-reset-unused-member.ts';
import { intxVsLowPowerEntry } from './intx-vs-low-power-entry.ts';
import { intxWhileSuspendedInD0 } from './intx-while-suspended-in-d0.ts';
import { ioctlAsleep } from './ioctl-asleep.ts';
import { ioctlVsLowPowerEntry } from './ioctl-vs-low-power-entry.ts';
import { irqTeardownVsEnter } from './irq-teardown-vs-enter.ts';
import { keptAwakeBySysfs } from './kept-awake-by-sysfs.ts';
import { longConfigReadVsLowPowerEntry } from './long-config-read-vs-low-power-entry.ts';
import { lowPowerEnter } from './low-power-enter.ts';
import { lspciInD3hot } from './lspci-in-d3hot.ts';
import { lspciReentryAllowed } from './lspci-reentry-allowed.ts';
import { lspciReentryForbiddenByClass } from './lspci-reentry-forbidden-by-class.ts';
import { lspciReentryForbiddenByFlag } from './lspci-reentry-forbidden-by-flag.ts';
import { lspciWithPme } from './lspci-with-pme.ts';
import { memoryEnableVsLowPowerEntry } from './memory-enable-vs-low-power-entry.ts';
import { memoryEnableWhileEngaged } from './memory-enable-while-engaged.ts';
import { mmapAsleep } from './mmap-asleep.ts';
import { neighbourInterruptInD3cold } from './neighbour-interrupt-in-d3cold.ts';
import { neighbourInterruptVsLowPowerEntry } from './neighbour-interrupt-vs-low-power-entry.ts';
import { noPmCapability } from './no-pm-capability.ts';
import { openAndClose } from './open-and-close.ts';
import { reenterVsHostAccess } from './reenter-vs-host-access.ts';
import { resumeFails } from './resume-fails.ts';
import { sriovEnableVsD3hotWrite } from './sriov-enable-vs-d3hot-write.ts';
import { sriovPfWithVfs } from './sriov-pf-with-vfs.ts';
import { vfEnableVsClose } from './vf-enable-vs-close.ts';

/** The library, in the order in which it is listed. */
export const scenarios: readonly Scenario[] = [
  openAndClose,
  lowPowerEnter,
  getAndProbeAsleep,
  lspciReentryAllowed,
  lspciReentryForbiddenByClass,
  lspciReentryForbiddenByFlag,
  lspciWithPme,
  configReadAsleep,
  ioctlAsleep,
  barReadAsleep,
  exitAsleep,
  exitResumed,
  enterTwice,
  exitWithoutEnter,
  enterWithBadFlags,
  closeAsleep,
  closeResumed,
  mmapAsleep,
  memoryEnableWhileEngaged,
  d3hotBeforeEnter,
  lspciInD3hot,
  keptAwakeBySysfs,
  resumeFails,
  disableIdleD3,
  noPmCapability,
  sriovPfWithVfs,
  hotResetUnusedMember,
  hotResetSleepingMember,
  neighbourInterruptInD3cold,
  guestMaskedIntxAsleep,
  intxWhileSuspendedInD0,
  configAccessVsLowPowerEntry,
  exitVsHostAccess,
  exitVsHostWake,
  reenterVsHostAccess,
  enterVsIoctl,
  irqTeardownVsEnter,
  faultVsHostAccess,
  vfEnableVsClose,
  configReadVsLowPowerEntry,
  longConfigReadVsLowPowerEntry,
  memoryEnableVsLowPowerEntry,
  ioctlVsLowPowerEntry,
  sriovEnableVsD3hotWrite,
  intxVsLowPowerEntry,
  neighbourInterruptVsLowPowerEntry,
  exitVsFallingAsleep,
  exitVsExit,
];

/** A scenario by name. Throws InputError with the nearest names. */
export function scenarioByName(name: string): Scenario {
  const found = scenarios.find((s) => s.name === name);
  if (found !== undefined) return found;
  const near = nearest(
    name,
    scenarios.map((s) => s.name),
  );
  const mend = near === null ? 'see `vfio-lab scenarios` for the names' : `did you mean ${near}?`;
  throw new InputError(`no scenario "${name}"`, 'scenario', mend);
}
