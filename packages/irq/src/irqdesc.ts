// SPDX-License-Identifier: GPL-2.0-only
// kernel/irq/irqdesc.c, v5.19: the table of lines, and what checkers may ask about a line
import { machine } from '@vfio-lab/sim';
import type { int } from '@vfio-lab/sim';
import {
  type irq_chip,
  irq_desc,
  type irq_flow_handler_t,
  irqd_irq_disabled,
  irqd_irq_inprogress,
  irqd_irq_masked,
  irqd_is_started,
  IRQS_PENDING,
  IRQS_SPURIOUS_DISABLED,
} from './types.ts';

/** Device vectors start here: the 24 pins of the IO-APIC come first. */
export const NR_LEGACY_GSI = 24;

const IRQ_TABLE = Symbol('irq descriptors');

function table(): Map<int, irq_desc> {
  return machine.scope(IRQ_TABLE, () => new Map<int, irq_desc>());
}

/** The descriptor of a line, null when there is no such irq. C: kernel/irq/irqdesc.c irq_to_desc() */
export function irq_to_desc(irq: int): irq_desc | null {
  return table().get(irq) ?? null;
}

/** Every descriptor in order of its number. */
export function all_irq_descs(): irq_desc[] {
  return [...table().values()].sort((a, b) => a.irq_data.irq - b.irq_data.irq);
}

/** Make the descriptor of `irq`: disabled, masked, depth 1. C: kernel/irq/irqdesc.c desc_set_defaults() */
export function irq_alloc_desc(irq: int, chip: irq_chip, handle: irq_flow_handler_t): irq_desc {
  const desc = machine.adopt(new irq_desc(irq, chip, handle));
  table().set(irq, desc);
  return desc;
}

/** Lowest number from `from` up without a descriptor. */
export function irq_find_free(from: int): int {
  let irq = from;
  while (table().has(irq)) irq++;
  return irq;
}

/** C: kernel/irq/irqdesc.c irq_free_descs() for one */
export function irq_free_desc(irq: int): void {
  table().delete(irq);
}

/** Set IRQ_* status flags of a line. C: include/linux/irq.h irq_set_status_flags() */
export function irq_set_status_flags(irq: int, set: int): void {
  const desc = irq_to_desc(irq);
  if (desc !== null) desc.status |= set;
}

/** Choose the processor that takes the line from now on (one that is in flight stays where it is). */
export function irq_set_affinity(irq: int, cpu: int): void {
  const desc = irq_to_desc(irq);
  if (desc !== null) desc.cpu = cpu;
}

/** A line as a checker sees it. */
export interface irq_state {
  irq: int;
  /** Disable depth: 0 enabled, 1 also when nobody has it. */
  depth: int;
  disabled: boolean;
  /** The controller's mask bit, which a lazily disabled line does not have yet. */
  masked: boolean;
  started: boolean;
  inprogress: boolean;
  /** Came while the line was disabled or running, and not delivered yet. */
  pending: boolean;
  spurious_disabled: boolean;
  /** Sent by the controller, handlers not done. */
  in_flight: boolean;
  unhandled: int;
  count: int;
  /** Events delivered to handlers since boot. */
  total: int;
  /** Names given at request, in order of request. */
  actions: string[];
}

/** Snapshot of a line for checkers (touches no scheduling point), null when there is no such irq. */
export function irq_desc_state(irq: int): irq_state | null {
  const desc = irq_to_desc(irq);
  if (desc === null) return null;
  const d = desc.irq_data;
  const actions: string[] = [];
  for (let a = desc.action; a !== null; a = a.next) actions.push(a.name);
  return {
    irq,
    depth: desc.depth,
    disabled: irqd_irq_disabled(d),
    masked: irqd_irq_masked(d),
    started: irqd_is_started(d),
    inprogress: irqd_irq_inprogress(d),
    pending: (desc.istate & IRQS_PENDING) !== 0,
    spurious_disabled: (desc.istate & IRQS_SPURIOUS_DISABLED) !== 0,
    in_flight: desc.vector.irr || (d.chip.irq_in_flight?.(d) ?? false),
    unhandled: desc.irqs_unhandled,
    count: desc.irq_count,
    total: desc.tot_count,
    actions,
  };
}
