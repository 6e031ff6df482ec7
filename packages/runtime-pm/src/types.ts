// SPDX-License-Identifier: GPL-2.0-only
// include/linux/pm_runtime.h, v5.19. The RPM_ status and request numbers are with struct device in the kernel package.

/** power.runtime_status as sysfs spells it. The two -ING values hold while a callback runs. */
export const rpm_status_names: readonly string[] = ['active', 'resuming', 'suspended', 'suspending'];

// rpmflags
export const RPM_ASYNC = 0x01; // queue it
export const RPM_NOWAIT = 0x02; // do not wait for a transition under way
export const RPM_GET_PUT = 0x04; // move the usage count first
export const RPM_AUTO = 0x08; // honour the autosuspend delay
