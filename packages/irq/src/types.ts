// SPDX-License-Identifier: GPL-2.0-only
// include/linux/{irqreturn,interrupt,irq}.h and kernel/irq/internals.h, v5.19
import { Obj } from '@vfio-lab/sim';
import type { int, Task, u32 } from '@vfio-lab/sim';
import { atomic_t, init_waitqueue_head, mutex, spinlock_t, wait_queue_head_t } from '@vfio-lab/locking';

/** What a handler says: a sum of IRQ_* bits. */
export type irqreturn_t = int;

export const IRQ_NONE: irqreturn_t = 0; // not from this device
export const IRQ_HANDLED: irqreturn_t = 1;
export const IRQ_WAKE_THREAD: irqreturn_t = 2;

/** `x ? IRQ_HANDLED : IRQ_NONE` */
export function IRQ_RETVAL(x: unknown): irqreturn_t {
  return x ? IRQ_HANDLED : IRQ_NONE;
}

export const IRQF_TRIGGER_NONE = 0x0;
export const IRQF_TRIGGER_RISING = 0x1;
export const IRQF_TRIGGER_FALLING = 0x2;
export const IRQF_TRIGGER_HIGH = 0x4;
export const IRQF_TRIGGER_LOW = 0x8;
export const IRQF_TRIGGER_MASK = 0xf;
export const IRQ_TYPE_LEVEL_MASK = IRQF_TRIGGER_HIGH | IRQF_TRIGGER_LOW;
export const IRQF_SHARED = 0x80;
export const IRQF_PROBE_SHARED = 0x100; // a flags mismatch is expected: no message
export const __IRQF_TIMER = 0x200;
export const IRQF_PERCPU = 0x400;
export const IRQF_NOBALANCING = 0x800;
export const IRQF_IRQPOLL = 0x1000;
export const IRQF_ONESHOT = 0x2000; // the line stays masked until the thread is done
export const IRQF_NO_SUSPEND = 0x4000;
export const IRQF_NO_THREAD = 0x10000;
export const IRQF_COND_SUSPEND = 0x40000;
export const IRQF_NO_AUTOEN = 0x80000; // stays off until enable_irq
export const IRQF_NO_DEBUG = 0x100000;
/** dev->irq of a pin that goes nowhere. */
export const IRQ_NOTCONNECTED = 0x80000000;

// desc->istate
export const IRQS_AUTODETECT = 0x1;
export const IRQS_SPURIOUS_DISABLED = 0x2; // killed by the spurious detector
export const IRQS_POLL_INPROGRESS = 0x8;
export const IRQS_ONESHOT = 0x20;
export const IRQS_REPLAY = 0x40;
export const IRQS_WAITING = 0x80;
export const IRQS_PENDING = 0x200; // came while disabled or running
export const IRQS_SUSPENDED = 0x800;

// irq_data.state
export const IRQD_TRIGGER_MASK = 0xf;
export const IRQD_ACTIVATED = 1 << 9;
export const IRQD_NO_BALANCING = 1 << 10;
export const IRQD_PER_CPU = 1 << 11;
export const IRQD_LEVEL = 1 << 13;
export const IRQD_IRQ_DISABLED = 1 << 16;
export const IRQD_IRQ_MASKED = 1 << 17;
export const IRQD_IRQ_INPROGRESS = 1 << 18;
export const IRQD_WAKEUP_ARMED = 1 << 19;
export const IRQD_IRQ_STARTED = 1 << 22;
export const IRQD_DEFAULT_TRIGGER_SET = 1 << 25;

// desc->status: what irq_set_status_flags() sets
export const IRQ_LEVEL = 1 << 8;
export const IRQ_NOPROBE = 1 << 10;
export const IRQ_NOREQUEST = 1 << 11;
export const IRQ_NOAUTOEN = 1 << 12;
export const IRQ_NO_BALANCING = 1 << 13;
export const IRQ_IS_POLLED = 1 << 18;
export const IRQ_DISABLE_UNLAZY = 1 << 19;
export const IRQ_NO_DEBUG = 1 << 21;

// irq_chip.flags
export const IRQCHIP_EOI_IF_HANDLED = 1 << 1;
export const IRQCHIP_ONESHOT_SAFE = 1 << 5;
export const IRQCHIP_EOI_THREADED = 1 << 6;

export type irq_handler_t = (irq: int, dev_id: unknown) => irqreturn_t | Promise<irqreturn_t>;
export type irq_flow_handler_t = (desc: irq_desc) => Promise<void>;

type chip_op = (data: irq_data) => void | Promise<void> | undefined;

/** The interrupt controller behind a line. All operations run with desc->lock held. */
export interface irq_chip {
  readonly name: string;
  readonly flags?: u32;
  irq_startup?(data: irq_data): void | Promise<void> | undefined;
  irq_shutdown?: chip_op;
  irq_enable?: chip_op;
  irq_disable?: chip_op;
  irq_ack?: chip_op;
  irq_mask?: chip_op;
  irq_mask_ack?: chip_op;
  irq_unmask?: chip_op;
  irq_eoi?: chip_op;
  irq_set_type?(data: irq_data, type: u32): int | Promise<int>;
  /** Make the hardware raise it again; true when that worked. */
  irq_retrigger?(data: irq_data): boolean;
  /** Is one between the controller and its end of interrupt? */
  irq_in_flight?(data: irq_data): boolean;
  irq_request_resources?(data: irq_data): int | Promise<int>;
  irq_release_resources?: chip_op;
  /** The domain's activate (MSI: write the message) and deactivate. */
  irq_activate?(data: irq_data): int | Promise<int>;
  irq_deactivate?: chip_op;
}

/** struct irq_data: what the chip sees of a line. */
export class irq_data {
  readonly irq: int;
  chip: irq_chip;
  chip_data: unknown = null;
  state: u32 = IRQD_IRQ_DISABLED | IRQD_IRQ_MASKED;

  constructor(irq: int, chip: irq_chip) {
    this.irq = irq;
    this.chip = chip;
  }
}

/** struct irqaction: one handler of a line. */
export class irqaction {
  handler: irq_handler_t = () => IRQ_NONE;
  thread_fn: irq_handler_t | null = null;
  flags: u32 = 0;
  name = '';
  dev_id: unknown = null;
  irq: int = 0;
  next: irqaction | null = null;
  /** The thread's task while it has something to do; see __irq_wake_thread(). */
  thread: Task | null = null;
  thread_runs = false; // IRQTF_RUNTHREAD
  thread_mask: u32 = 0;
}

/**
 * struct irq_desc: one interrupt line.
 *
 * 1. `action`, `depth`, `istate` and `irq_data.state` change only under `lock`.
 * 2. `request_mutex` serialises request and free; it is outside `lock`.
 * 3. IRQD_IRQ_INPROGRESS is set exactly while handlers of the line may run; `lock` is free then.
 */
export class irq_desc {
  readonly irq_data: irq_data;
  readonly lock = new spinlock_t('&irq_desc_lock_class');
  readonly request_mutex = new mutex('&desc->request_mutex');
  readonly threads_active = new atomic_t(0, 'desc->threads_active');
  readonly wait_for_threads = new wait_queue_head_t();
  readonly threads_handled = new atomic_t(0, 'desc->threads_handled');
  handle_irq: irq_flow_handler_t;
  action: irqaction | null = null;
  status: u32 = 0;
  istate: u32 = 0;
  depth: u32 = 1;
  irq_count: u32 = 0;
  irqs_unhandled: u32 = 0;
  last_unhandled = 0;
  threads_handled_last: u32 = 0;
  threads_oneshot: u32 = 0;
  tot_count = 0;
  /** Processor that takes it. */
  cpu = 0;
  /** The local APIC's request bit for this vector: sent, not yet taken by the processor. */
  readonly vector: irq_vector;

  constructor(irq: int, chip: irq_chip, handle: irq_flow_handler_t) {
    this.irq_data = new irq_data(irq, chip);
    this.handle_irq = handle;
    this.vector = new irq_vector(`irq/${irq}`);
    init_waitqueue_head(this.wait_for_threads, '&desc->wait_for_threads');
  }
}

/** An interrupt vector of the local APIC. */
export class irq_vector extends Obj {
  irr = false;
}

export function irqd_irq_disabled(d: irq_data): boolean {
  return (d.state & IRQD_IRQ_DISABLED) !== 0;
}

export function irqd_irq_masked(d: irq_data): boolean {
  return (d.state & IRQD_IRQ_MASKED) !== 0;
}

export function irqd_irq_inprogress(d: irq_data): boolean {
  return (d.state & IRQD_IRQ_INPROGRESS) !== 0;
}

export function irqd_is_started(d: irq_data): boolean {
  return (d.state & IRQD_IRQ_STARTED) !== 0;
}

export function irqd_is_activated(d: irq_data): boolean {
  return (d.state & IRQD_ACTIVATED) !== 0;
}

export function irqd_get_trigger_type(d: irq_data): u32 {
  return d.state & IRQD_TRIGGER_MASK;
}
