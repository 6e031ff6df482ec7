// SPDX-License-Identifier: GPL-2.0-only
import {
  vfio_container,
  vfio_device,
  vfio_device_set,
  vfio_group,
  vfio_pci_core_device,
  vfio_pci_ioeventfd,
  vfio_pci_irq_ctx,
  vfio_pci_mmap_vma,
  vfio_pci_vf_token,
  virqfd,
} from '@vfio-lab/headers';
import { irq_desc, irqaction } from '@vfio-lab/irq';
import { dev_pm_info, device, eventfd_ctx } from '@vfio-lab/kernel';
import { type Access, type Race, siteOf } from '@vfio-lab/locking';
import { pci_dev } from '@vfio-lab/pci';
import { current, type Finding, machine } from '@vfio-lab/sim';
import { KNOWN_RACES, type KnownRace } from './known-races.ts';

/** Structs whose fields are watched. */
export const STRUCTS: ReadonlySet<unknown> = new Set<unknown>([
  vfio_pci_core_device,
  vfio_pci_irq_ctx,
  vfio_pci_ioeventfd,
  vfio_pci_mmap_vma,
  vfio_pci_vf_token,
  vfio_device,
  vfio_device_set,
  vfio_group,
  vfio_container,
  virqfd,
  pci_dev,
  device,
  dev_pm_info,
  irq_desc,
  irqaction,
  eventfd_ctx,
]);

/** One side of a race, as text. */
export interface RaceSide {
  task: string;
  /** 'reads', 'writes', 'reads marked', 'writes marked' */
  access: string;
  /** The C function that accesses the field, and its place in our sources. */
  fn: string;
  at: string;
  held: string[];
}

function sideOf(access: Access): RaceSide {
  return {
    task: access.task?.name ?? '',
    access: `${access.write ? 'writes' : 'reads'}${access.marked ? ' marked' : ''}`,
    ...siteOf(access.at?.stack),
    held: access.held.slice(0, access.locks).map((lock) => lock.name),
  };
}

function sideText(side: RaceSide): string {
  const where = side.fn === '' ? '' : ` in ${side.fn}()`;
  return `${side.task} ${side.access} it${where} with ${side.held.length === 0 ? 'no lock' : side.held.join(', ')}`;
}

/** A data race that the list of known ones has. */
export interface KnownFinding {
  finding: Finding;
  entry: KnownRace;
}

/**
 * The data races of a run: one finding `data-race` for each field and pair of places. Those that are known of the
 * kernel are kept apart.
 */
export class Races {
  readonly revision: string;
  /** Races that the list of known ones has. */
  readonly known: KnownFinding[] = [];
  private readonly seen = new Set<string>();

  constructor(revision: string) {
    this.revision = revision;
  }

  /** A race was found, in the running task. */
  found(race: Race): void {
    const before = sideOf(race.before);
    const after = sideOf(race.after);
    const sides = [before, after].sort((a, b) => order(`${a.fn} ${a.access}`, `${b.fn} ${b.access}`));
    const field = `${race.struct}.${race.field}`;
    const key = [field, ...sides.flatMap((s) => [s.fn || s.task, s.access])].join(' ');
    if (this.seen.has(key)) return;
    this.seen.add(key);
    const finding: Finding = {
      kind: 'data-race',
      text: `${field}: ${sideText(sides[0])}, ${sideText(sides[1])}, and nothing orders the two`,
      task: sides[0].task,
      fns: sides[0].fn === '' ? [] : [sides[0].fn],
      held: sides[0].held,
      at: machine.clock.now,
      detail: { struct: race.struct, field: race.field, before, after, now: current.name },
    };
    const entry = KNOWN_RACES.find((k) => covers(k, race, sides, this.revision));
    if (entry === undefined) machine.findings.push(finding);
    else this.known.push({ finding, entry });
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function covers(known: KnownRace, race: Race, sides: readonly RaceSide[], revision: string): boolean {
  if (known.struct !== race.struct || known.field !== race.field) return false;
  if (known.revisions !== undefined && !known.revisions.includes(revision.split(/[@+]/)[0])) return false;
  // Told by tasks alone, a race has no functions.
  return known.functions === undefined || sides.some((s) => s.fn === '' || known.functions?.includes(s.fn));
}
