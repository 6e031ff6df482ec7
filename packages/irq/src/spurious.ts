// SPDX-License-Identifier: GPL-2.0-only
// kernel/irq/spurious.c, v5.19: find lines that nobody cares about, switch them off and poll them
import { current, machine, report, SimTimer, wait_until } from '@vfio-lab/sim';
import type { int } from '@vfio-lab/sim';
import {
  atomic_add_return,
  atomic_dec,
  atomic_read,
  atomic_t,
  HZ,
  NS_PER_JIFFY,
  raw_spin_lock,
  raw_spin_lock_irqsave,
  raw_spin_unlock,
  raw_spin_unlock_irqrestore,
} from '@vfio-lab/locking';
import { jiffies, pr_err, printk, WARN_ONCE } from '@vfio-lab/kernel';
import { irq_disable } from './chip.ts';
import { handle_irq_event } from './handle.ts';
import { all_irq_descs } from './irqdesc.ts';
import {
  __IRQF_TIMER,
  IRQ_HANDLED,
  IRQ_IS_POLLED,
  IRQ_NONE,
  IRQ_WAKE_THREAD,
  type irq_desc,
  irqd_irq_disabled,
  irqd_irq_inprogress,
  IRQF_IRQPOLL,
  IRQF_SHARED,
  type irqreturn_t,
  IRQS_PENDING,
  IRQS_POLL_INPROGRESS,
  IRQS_SPURIOUS_DISABLED,
} from './types.ts';

/** Events looked at before a verdict. */
export const SPURIOUS_WINDOW = 100_000;
/** More unhandled ones than this among them: the line is stuck. */
export const SPURIOUS_LIMIT = 99_900;
/** jiffies: two unhandled events further apart do not add up; also how often dead lines are polled. */
export const POLL_SPURIOUS_IRQ_INTERVAL = HZ / 10;

const KERN_EMERG = 0;
const SPURIOUS_DEFERRED = 0x80000000;

/** File-scope data of spurious.c, one a machine. */
class spurious_state {
  /** Boot option irqfixup (1) or irqpoll (2). */
  irqfixup: int = 0;
  irq_poll_cpu: int = 0;
  readonly irq_poll_active = new atomic_t(0, 'irq_poll_active');
  /** Bogus return values still worth a message. */
  bogus_reports = 100;
  readonly timer = new SimTimer('poll_spurious_irqs', poll_spurious_irqs);
}

function state(): spurious_state {
  return machine.scope(spurious_state, () => new spurious_state());
}

/** Boot options: 1 is `irqfixup`, 2 is `irqpoll`, 0 neither. C: kernel/irq/spurious.c irqfixup_setup(), irqpoll_setup() */
export function irqfixup_setup(mode: 0 | 1 | 2): void {
  state().irqfixup = mode;
}

function start_poll_timer(): void {
  state().timer.start((jiffies() + POLL_SPURIOUS_IRQ_INTERVAL) * NS_PER_JIFFY);
}

/** C: kernel/irq/spurious.c irq_wait_for_poll(). Caller holds desc->lock. */
export async function irq_wait_for_poll(desc: irq_desc): Promise<boolean> {
  const d = desc.irq_data;
  const here = current.cpu.id;
  if (WARN_ONCE(state().irq_poll_cpu === here, `irq poll in progress on cpu ${here} for irq ${d.irq}\n`))
    return false;
  do {
    await raw_spin_unlock(desc.lock);
    await wait_until(desc.lock, () => !irqd_irq_inprogress(d));
    await raw_spin_lock(desc.lock);
  } while (irqd_irq_inprogress(d));
  return !irqd_irq_disabled(d) && desc.action !== null;
}

/** Call the handlers of a line by hand. C: kernel/irq/spurious.c try_one_irq() */
async function try_one_irq(desc: irq_desc, force: boolean): Promise<boolean> {
  const d = desc.irq_data;
  let ret: irqreturn_t = IRQ_NONE;
  const flags = await raw_spin_lock_irqsave(desc.lock);
  out: {
    if ((desc.status & IRQ_IS_POLLED) !== 0) break out;
    if (irqd_irq_disabled(d) && !force) break out;
    // All handlers of a line agree on IRQF_SHARED: the first one tells.
    let action = desc.action;
    if (action === null || (action.flags & IRQF_SHARED) === 0 || (action.flags & __IRQF_TIMER) !== 0)
      break out;
    if (irqd_irq_inprogress(d)) {
      desc.istate |= IRQS_PENDING;
      break out;
    }
    desc.istate |= IRQS_POLL_INPROGRESS;
    do {
      if ((await handle_irq_event(desc)) === IRQ_HANDLED) ret = IRQ_HANDLED;
      action = desc.action;
    } while ((desc.istate & IRQS_PENDING) !== 0 && action !== null);
    desc.istate &= ~IRQS_POLL_INPROGRESS;
  }
  await raw_spin_unlock_irqrestore(desc.lock, flags);
  return ret === IRQ_HANDLED;
}

/** Maybe it came on the wrong line. C: kernel/irq/spurious.c misrouted_irq() */
async function misrouted_irq(irq: int): Promise<int> {
  const s = state();
  let ok = 0;
  if ((await atomic_add_return(1, s.irq_poll_active)) === 1) {
    s.irq_poll_cpu = current.cpu.id;
    for (const desc of all_irq_descs()) {
      if (desc.irq_data.irq === 0 || desc.irq_data.irq === irq) continue;
      if (await try_one_irq(desc, false)) ok = 1;
    }
  }
  await atomic_dec(s.irq_poll_active);
  return ok;
}

/** C: kernel/irq/spurious.c poll_spurious_irqs() */
async function poll_spurious_irqs(): Promise<void> {
  const s = state();
  if ((await atomic_add_return(1, s.irq_poll_active)) === 1) {
    s.irq_poll_cpu = current.cpu.id;
    for (const desc of all_irq_descs()) {
      if (desc.irq_data.irq === 0 || (desc.istate & IRQS_SPURIOUS_DISABLED) === 0) continue;
      await try_one_irq(desc, true);
    }
  }
  await atomic_dec(s.irq_poll_active);
  // The kernel's timer goes on for ever; without a dead line it has nothing to do.
  if (all_irq_descs().some((desc) => (desc.istate & IRQS_SPURIOUS_DISABLED) !== 0)) start_poll_timer();
}

function bad_action_ret(action_ret: irqreturn_t): boolean {
  return action_ret >>> 0 > (IRQ_HANDLED | IRQ_WAKE_THREAD);
}

/** C: kernel/irq/spurious.c __report_bad_irq() */
async function __report_bad_irq(desc: irq_desc, action_ret: irqreturn_t): Promise<void> {
  const irq = desc.irq_data.irq;
  if (bad_action_ret(action_ret)) {
    pr_err(`irq event ${irq}: bogus return value ${(action_ret >>> 0).toString(16)}\n`);
  } else {
    pr_err(`irq ${irq}: nobody cared (try booting with the "irqpoll" option)\n`);
  }
  pr_err('handlers:\n');
  const flags = await raw_spin_lock_irqsave(desc.lock);
  for (let action = desc.action; action !== null; action = action.next) {
    const threaded = action.thread_fn === null ? '' : ` threaded ${action.thread_fn.name}`;
    pr_err(`${action.handler.name}${threaded}\n`);
  }
  await raw_spin_unlock_irqrestore(desc.lock, flags);
}

/** C: kernel/irq/spurious.c report_bad_irq() */
async function report_bad_irq(desc: irq_desc, action_ret: irqreturn_t): Promise<void> {
  const s = state();
  if (s.bogus_reports <= 0) return;
  s.bogus_reports--;
  await __report_bad_irq(desc, action_ret);
}

/** C: kernel/irq/spurious.c try_misrouted_irq() */
function try_misrouted_irq(irq: int, desc: irq_desc, action_ret: irqreturn_t): boolean {
  const mode = state().irqfixup;
  if (mode === 0) return false;
  if (action_ret === IRQ_NONE) return true;
  if (mode < 2) return false;
  if (irq === 0) return true;
  return desc.action !== null && (desc.action.flags & IRQF_IRQPOLL) !== 0;
}

/**
 * Result of an event of which only threads know whether it was theirs: judged one event late.
 * C: kernel/irq/spurious.c note_interrupt(), the IRQ_WAKE_THREAD part. Null: no verdict yet.
 */
async function threaded_verdict(desc: irq_desc, action_ret: irqreturn_t): Promise<irqreturn_t | null> {
  if (action_ret !== IRQ_WAKE_THREAD) {
    // A hard handler claimed it: forget the deferred one.
    desc.threads_handled_last = (desc.threads_handled_last & ~SPURIOUS_DEFERRED) >>> 0;
    return action_ret;
  }
  if ((desc.threads_handled_last & SPURIOUS_DEFERRED) === 0) {
    desc.threads_handled_last = (desc.threads_handled_last | SPURIOUS_DEFERRED) >>> 0;
    return null;
  }
  const handled = ((await atomic_read(desc.threads_handled)) | SPURIOUS_DEFERRED) >>> 0;
  if (handled === desc.threads_handled_last) return IRQ_NONE;
  desc.threads_handled_last = handled;
  return IRQ_HANDLED;
}

/** The window is full. C: kernel/irq/spurious.c note_interrupt(), its end */
async function judge(desc: irq_desc, action_ret: irqreturn_t): Promise<void> {
  const irq = desc.irq_data.irq;
  desc.irq_count = 0;
  const unhandled = desc.irqs_unhandled;
  if (unhandled > SPURIOUS_LIMIT) {
    await __report_bad_irq(desc, action_ret);
    printk(KERN_EMERG, `Disabling IRQ #${irq}\n`);
    const handlers: string[] = [];
    for (let action = desc.action; action !== null; action = action.next) handlers.push(action.name);
    report('irq-storm', `irq ${irq}: nobody cared`, { irq, unhandled, handlers });
    desc.istate |= IRQS_SPURIOUS_DISABLED;
    desc.depth++;
    await irq_disable(desc);
    start_poll_timer();
  }
  desc.irqs_unhandled = 0;
}

async function note_slow(desc: irq_desc, ret: irqreturn_t): Promise<void> {
  let action_ret = ret;
  if ((action_ret & IRQ_WAKE_THREAD) !== 0) {
    const verdict = await threaded_verdict(desc, action_ret);
    if (verdict === null) return;
    action_ret = verdict;
  }
  if (action_ret === IRQ_NONE) count_unhandled(desc);
  const irq = desc.irq_data.irq;
  if (try_misrouted_irq(irq, desc, action_ret)) {
    const ok = await misrouted_irq(irq);
    if (action_ret === IRQ_NONE) desc.irqs_unhandled -= ok;
  }
  if (desc.irqs_unhandled !== 0 && ++desc.irq_count >= SPURIOUS_WINDOW) await judge(desc, action_ret);
}

function count_unhandled(desc: irq_desc): void {
  const j = jiffies();
  if (j > desc.last_unhandled + POLL_SPURIOUS_IRQ_INTERVAL) desc.irqs_unhandled = 1;
  else desc.irqs_unhandled++;
  desc.last_unhandled = j;
}

/**
 * Judge the line after an event. Good lines cost nothing: the count of events runs only while something is unhandled.
 * Undefined when there was nothing to wait for. C: kernel/irq/spurious.c note_interrupt()
 */
export function note_interrupt(desc: irq_desc, action_ret: irqreturn_t): Promise<void> | undefined {
  if ((desc.istate & IRQS_POLL_INPROGRESS) !== 0 || (desc.status & IRQ_IS_POLLED) !== 0) return undefined;
  if (bad_action_ret(action_ret)) return report_bad_irq(desc, action_ret);
  if ((action_ret & IRQ_WAKE_THREAD) !== 0 || state().irqfixup !== 0) return note_slow(desc, action_ret);
  if (action_ret === IRQ_NONE) count_unhandled(desc);
  if (desc.irqs_unhandled === 0 || ++desc.irq_count < SPURIOUS_WINDOW) return undefined;
  return judge(desc, action_ret);
}
