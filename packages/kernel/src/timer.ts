// SPDX-License-Identifier: GPL-2.0-only
/* kernel/time/timer.c: timers in jiffies. */
import { might_sleep, NS_PER_JIFFY } from '@vfio-lab/locking';
import { access, machine, Obj, SimTimer, wait_until } from '@vfio-lab/sim';
import type { Awaitable } from './container.ts';

/** struct timer_list */
export class timer_list extends Obj {
  function: ((timer: timer_list) => Awaitable<void>) | null = null;
  /** In jiffies. */
  expires = 0;
  pending = false;
  running = false;
  readonly container: unknown;
  private _timer: SimTimer | null = null;

  constructor(container: unknown = null) {
    super('timer');
    this.container = container;
  }

  /** The clock's side of it, made when first needed. */
  get sim(): SimTimer {
    return (this._timer ??= new SimTimer(this.name, () => this.fire()));
  }

  private async fire(): Promise<void> {
    await access(this, true, 'timer');
    if (!this.pending) return;
    this.pending = false;
    this.running = true;
    await this.function?.(this);
    machine.publish(this);
    this.running = false;
  }
}

/** C: include/linux/timer.h timer_setup() */
export function timer_setup(
  timer: timer_list,
  func: (timer: timer_list) => Awaitable<void>,
  name = 'timer',
): void {
  timer.name = name;
  timer.function = func;
}

/**
 * Arm, or move, to an absolute time in jiffies.
 * @returns whether it was pending.
 * C: kernel/time/timer.c mod_timer()
 */
export async function mod_timer(timer: timer_list, expires: number): Promise<boolean> {
  await access(timer, true, 'timer');
  const was = timer.pending;
  timer.expires = expires;
  timer.pending = true;
  timer.sim.start(expires * NS_PER_JIFFY);
  return was;
}

/** C: include/linux/timer.h timer_pending() */
export function timer_pending(timer: timer_list): boolean {
  return timer.pending;
}

/**
 * Disarm; its function may still be running.
 * @returns whether it was pending.
 * C: kernel/time/timer.c del_timer()
 */
export async function del_timer(timer: timer_list): Promise<boolean> {
  await access(timer, true, 'timer');
  const was = timer.pending;
  timer.pending = false;
  timer.sim.cancel();
  return was;
}

/** Disarm and wait for a running function. C: kernel/time/timer.c del_timer_sync() */
export async function del_timer_sync(timer: timer_list): Promise<boolean> {
  might_sleep('del_timer_sync');
  const was = await del_timer(timer);
  await wait_until(timer, () => !timer.running);
  return was;
}
