// SPDX-License-Identifier: GPL-2.0-only
// The hardware side, as arch/x86/kernel/apic/{io_apic,vector,msi}.c program it: pins of the IO-APIC (level) and MSI
// vectors (edge) on their way to a processor.
import { delay_ns, machine, Obj, spawn, trace } from '@vfio-lab/sim';
import type { int } from '@vfio-lab/sim';
import { local_irq_restore, local_irq_save } from '@vfio-lab/locking';
import { WARN_ON } from '@vfio-lab/kernel';
import { handle_edge_irq, handle_fasteoi_irq } from './chip.ts';
import {
  all_irq_descs,
  irq_alloc_desc,
  irq_desc_state,
  irq_find_free,
  irq_free_desc,
  type irq_state,
  irq_to_desc,
  NR_LEGACY_GSI,
} from './irqdesc.ts';
import {
  IRQ_LEVEL,
  IRQCHIP_ONESHOT_SAFE,
  irqd_is_activated,
  type irq_chip,
  type irq_data,
  type irq_desc,
} from './types.ts';

/** Virtual time from the wire to the flow handler; lets the clock move during a storm. */
export const IRQ_ENTRY_NS = 500;
const TRACED_UNHANDLED = 10;

/**
 * The local APIC has one request bit a vector: what comes while it is set is lost in it. The processor takes the
 * vector as a hard-IRQ task of its own as soon as its interrupts are on and no handler runs on it.
 */
function apic_send(desc: irq_desc): void {
  if (desc.vector.irr) return;
  desc.vector.irr = true;
  spawn(desc.vector.name, () => common_interrupt(desc), { kind: 'hardirq', cpu: desc.cpu, process: null });
}

async function common_interrupt(desc: irq_desc): Promise<void> {
  const flags = local_irq_save();
  desc.vector.irr = false;
  delay_ns(IRQ_ENTRY_NS);
  // A storm would fill the timeline with one and the same line.
  if (machine.tracing && machine.peek(() => desc.irqs_unhandled) < TRACED_UNHANDLED)
    trace('irq', `irq ${desc.irq_data.irq} taken`);
  await desc.handle_irq(desc);
  local_irq_restore(flags);
}

/**
 * A level-triggered interrupt wire into the IO-APIC, shared by any number of sources.
 *
 * 1. It is asserted while at least one source asserts it; each source counts once.
 * 2. While its pin sees it asserted, is not masked and no end of interrupt is due (remote IRR), it is sent.
 * 3. What was sent is taken even if the wire falls or the pin is masked meanwhile.
 * 4. At the end of interrupt rule 2 applies again: a source that nobody silences makes a storm.
 * 5. A pin sees the wire as it is, but one that is deaf while free sees no change of it between two requests.
 */
export class irq_line extends Obj {
  readonly irq: int;
  readonly desc: irq_desc;
  /** Mask bit of the pin's redirection entry. */
  masked = true;
  /** Sent and not yet ended. */
  remote_irr = false;
  /** QEMU's IO-APIC: a pin that nobody requested is programmed edge-triggered and masked. */
  deaf_while_free = false;
  /** The wire as the pin saw it last (IRR). */
  private seen = false;
  private readonly sources = new Set<unknown>();

  constructor(irq: int) {
    super(`irq line ${irq}`);
    if (irq_to_desc(irq) !== null) throw new Error(`irq ${irq} is there already`);
    this.irq = irq;
    this.desc = irq_alloc_desc(irq, ioapic_chip, handle_fasteoi_irq);
    this.desc.status |= IRQ_LEVEL;
    this.desc.irq_data.chip_data = this;
  }

  /** True while any source asserts the wire. */
  get asserted(): boolean {
    return this.sources.size > 0;
  }

  /** Does this source assert it? */
  asserts(source: unknown): boolean {
    return this.sources.has(source);
  }

  /** A source pulls the wire (again is once). */
  raise(source: unknown): void {
    this.sources.add(source);
    this.look();
    this.deliver();
  }

  /** A source lets go of the wire. */
  lower(source: unknown): void {
    this.sources.delete(source);
    this.look();
  }

  /** Rule 5. */
  private look(): void {
    if (!this.deaf_while_free || irqd_is_activated(this.desc.irq_data)) this.seen = this.asserted;
  }

  /** Rule 2. */
  deliver(): void {
    if (!this.seen || this.masked || this.remote_irr) return;
    this.remote_irr = true;
    apic_send(this.desc);
  }

  /** Rule 4. */
  eoi(): void {
    this.remote_irr = false;
    this.deliver();
  }

  /** Asserted, has a handler that nobody disabled, and yet will not be delivered: an interrupt is lost. */
  get lost(): boolean {
    return (
      this.asserted &&
      this.masked &&
      !this.remote_irr &&
      this.desc.action !== null &&
      this.desc.depth === 0 &&
      this.desc.threads_oneshot === 0
    );
  }
}

function pin(d: irq_data): irq_line {
  return d.chip_data as irq_line;
}

/** C: arch/x86/kernel/apic/io_apic.c ioapic_chip. No irq_disable: disabling is lazy. */
const ioapic_chip: irq_chip = {
  name: 'IO-APIC',
  irq_startup(d) {
    pin(d).masked = false;
    pin(d).deliver();
  },
  irq_mask(d) {
    pin(d).masked = true;
  },
  irq_unmask(d) {
    pin(d).masked = false;
    pin(d).deliver();
  },
  irq_eoi(d) {
    pin(d).eoi();
  },
  irq_in_flight(d) {
    return pin(d).remote_irr;
  },
};

/** The wire with this number, made on first use. */
export function get_irq_line(irq: int): irq_line {
  const desc = irq_to_desc(irq);
  if (desc === null) return new irq_line(irq);
  if (!(desc.irq_data.chip_data instanceof irq_line)) throw new Error(`irq ${irq} is not a line`);
  return desc.irq_data.chip_data;
}

/** Every wire of the machine in order of its number. */
export function all_irq_lines(): irq_line[] {
  return all_irq_descs()
    .map((desc) => desc.irq_data.chip_data)
    .filter((data) => data instanceof irq_line);
}

/**
 * A new MSI vector: the lowest free number above the IO-APIC's pins. `chip` adds what the device side does when the
 * vector is masked, unmasked or activated (its mask bit, its message). Not activated yet.
 */
export function irq_alloc_msi(chip: Partial<irq_chip> = {}, chip_data: unknown = null): int {
  const irq = irq_find_free(NR_LEGACY_GSI);
  const full: irq_chip = {
    name: 'PCI-MSI',
    flags: IRQCHIP_ONESHOT_SAFE,
    irq_mask() {},
    irq_unmask() {},
    irq_ack() {},
    irq_retrigger(d) {
      return trigger_msi(d.irq);
    },
    ...chip,
  };
  irq_alloc_desc(irq, full, handle_edge_irq).irq_data.chip_data = chip_data;
  return irq;
}

/** Give a vector back. It must have no handler left. C: drivers/pci/msi free_msi_irqs() */
export function irq_free_msi(irq: int): void {
  const desc = irq_to_desc(irq);
  if (desc === null) return;
  WARN_ON(desc.action !== null);
  irq_free_desc(irq);
}

/** Is the vector programmed for messages? */
function takes_messages(desc: irq_desc): boolean {
  return (desc.status & IRQ_LEVEL) === 0 && irqd_is_activated(desc.irq_data);
}

/**
 * A message of this vector reached the processor. False when there is no such vector, or none that anybody requested:
 * then the remapping entry is empty and a real host logs a fault.
 */
export function trigger_msi(irq: int): boolean {
  const desc = irq_to_desc(irq);
  if (desc === null || machine.peek(() => !takes_messages(desc))) return false;
  apic_send(desc);
  return true;
}

/** An interrupt that was raised and that nothing will deliver, though a handler waits for it. */
export interface lost_irq {
  irq: int;
  kind: 'level' | 'edge';
  /** Names of the handlers. */
  actions: string[];
}

/**
 * Every lost interrupt of the machine, for checkers at rest: a level line that is asserted and enabled behind a masked
 * pin, or an edge that is pending on an enabled line that is not running.
 */
export function lost_irqs(): lost_irq[] {
  const lost: lost_irq[] = [];
  for (const desc of all_irq_descs()) {
    const s = irq_desc_state(desc.irq_data.irq) as irq_state;
    const line = desc.irq_data.chip_data;
    const level = line instanceof irq_line;
    const gone = level
      ? line.lost
      : s.pending && s.depth === 0 && s.actions.length > 0 && !s.inprogress && !s.in_flight;
    if (gone) lost.push({ irq: s.irq, kind: level ? 'level' : 'edge', actions: s.actions });
  }
  return lost;
}
