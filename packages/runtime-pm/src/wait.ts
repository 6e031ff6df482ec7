// SPDX-License-Identifier: GPL-2.0-only
// Sleeping on power.wait_queue with power.lock held: kernel/sched/wait.c as drivers/base/power/runtime.c uses it
import { wait_until } from '@vfio-lab/sim';
import {
  add_wait_queue,
  might_sleep,
  remove_wait_queue,
  spin_lock_irq,
  spin_unlock_irq,
  type wait_queue_entry,
} from '@vfio-lab/locking';
import type { device } from '@vfio-lab/kernel';

/** What DEFINE_WAIT gives: a sleeping task in a wait queue. */
class waiter implements wait_queue_entry {
  private = null;
  woken = false;

  func(): number {
    this.woken = true;
    return 1;
  }
}

/**
 * Sleep uninterruptibly until `busy` is over, looked at after every wake-up, the lock dropped and interrupts on
 * meanwhile. A wake-up that somebody forgets to send therefore hangs here, as in the kernel.
 */
export async function rpm_wait_while(dev: device, busy: () => boolean): Promise<void> {
  const { lock, wait_queue } = dev.power;
  const wait = new waiter();
  await add_wait_queue(wait_queue, wait);
  while (busy()) {
    await spin_unlock_irq(lock);
    might_sleep('schedule');
    await wait_until(
      wait_queue,
      () => wait.woken,
      () => (dev.power.callback_task === null ? [] : [dev.power.callback_task]),
    );
    wait.woken = false;
    await spin_lock_irq(lock);
  }
  await remove_wait_queue(wait_queue, wait);
}
