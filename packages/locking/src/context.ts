// SPDX-License-Identifier: GPL-2.0-only
import { current, report } from '@vfio-lab/sim';

/** In a context that must not sleep: hard IRQ or timer callback, a spinlock held, or interrupts off. */
export function in_atomic(): boolean {
  return current.preempt_count > 0 || current.atomic;
}

/** The check at the top of everything that may sleep: reports `sleeping-in-atomic`. C: include/linux/kernel.h might_sleep() */
export function might_sleep(what: string): void {
  if (current.preempt_count > 0 || current.atomic)
    report('sleeping-in-atomic', `${what} called from invalid context`);
}

/** local_irq_save: interrupts off on this processor; returns whether they were off before. */
export function local_irq_save(): boolean {
  const cpu = current.cpu;
  const was_off = cpu.irqs_off;
  cpu.irqs_off = true;
  pin();
  return was_off;
}

/** local_irq_restore: back to what local_irq_save returned. */
export function local_irq_restore(was_off: boolean): void {
  current.cpu.irqs_off = was_off;
  unpin();
}

/** Take part in keeping others off this processor (a spinlock or interrupts off). */
export function pin(): void {
  current.preempt_count++;
  if (current.kind !== 'hardirq') current.cpu.pinned = current;
}

export function unpin(): void {
  if (--current.preempt_count === 0 && current.cpu.pinned === current) current.cpu.pinned = null;
}

/** What a lock operation returns that did not have to wait: cheaper to await than undefined is. */
export const DONE: Promise<void> = Promise.resolve();
