// SPDX-License-Identifier: GPL-2.0-only
/* Ticks and delays: kernel/time/time.c, timer.c. All of it virtual time. */
import { HZ, might_sleep, NS_PER_JIFFY } from '@vfio-lab/locking';
import { delay_ns, now } from '@vfio-lab/sim';

export { HZ };

export const NSEC_PER_USEC = 1_000;
export const NSEC_PER_MSEC = 1_000_000;
export const NSEC_PER_SEC = 1_000_000_000;
export const USEC_PER_MSEC = 1_000;
export const MSEC_PER_SEC = 1_000;

/** Ticks since boot. C: jiffies */
export function jiffies(): number {
  return Math.floor(now() / NS_PER_JIFFY);
}

/** Rounded up, as in C: kernel/time/time.c msecs_to_jiffies() */
export function msecs_to_jiffies(ms: number): number {
  return Math.ceil((ms * HZ) / 1000);
}

/** C: kernel/time/time.c usecs_to_jiffies() */
export function usecs_to_jiffies(us: number): number {
  return Math.ceil((us * HZ) / 1_000_000);
}

export function jiffies_to_msecs(j: number): number {
  return (j * 1000) / HZ;
}

export function time_after(a: number, b: number): boolean {
  return a > b;
}

export function time_before(a: number, b: number): boolean {
  return a < b;
}

/** Nanoseconds since boot. C: ktime_get() */
export function ktime_get(): number {
  return now();
}

export const ktime_get_mono_fast_ns = ktime_get;

/**
 * Sleep: the clock moves on and nobody waits. What becomes due meanwhile runs at the next scheduling point, so that
 * others may come in before and after the sleep as on a real machine.
 * C: kernel/time/timer.c msleep()
 */
export function msleep(ms: number): void {
  might_sleep('msleep');
  delay_ns(ms * NSEC_PER_MSEC);
}

/** C: kernel/time/timer.c usleep_range_state(); takes the lower bound. */
export function usleep_range(min_us: number, max_us: number): void {
  might_sleep('usleep_range');
  delay_ns(min_us * NSEC_PER_USEC);
}

/** Busy wait, in any context. C: udelay() */
export function udelay(us: number): void {
  delay_ns(us * NSEC_PER_USEC);
}

/** C: mdelay() */
export function mdelay(ms: number): void {
  delay_ns(ms * NSEC_PER_MSEC);
}

/** C: ndelay() */
export function ndelay(ns: number): void {
  delay_ns(ns);
}
