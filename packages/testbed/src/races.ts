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
import { type Finding, machine, NOT_STATE, trace } from '@vfio-lab/sim';
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

/** One side of a race. */
export interface RaceSide {
  task: string;
  access: 'reads' | 'writes';
  /** By READ_ONCE() or WRITE_ONCE(). */
  marked: boolean;
  /** The C function that accesses the field, and its place in our sources; '' where places are not kept. */
  fn: string;
  at: string;
  /** The function of the driver that it is in; '' where those are not followed, and outside of them. */
  site: string;
  held: string[];
}

function sideOf(access: Access): RaceSide {
  return {
    task: access.task?.name ?? '',
    access: access.write ? 'writes' : 'reads',
    marked: access.marked,
    ...siteOf(access.at?.stack),
    site: access.site,
    held: access.held.slice(0, access.locks).map((lock) => lock.name),
  };
}

function sideText(side: RaceSide): string {
  const where = side.fn === '' ? '' : ` in ${side.fn}()`;
  const how = side.marked ? ' marked' : '';
  return `${side.task} ${side.access} it${how}${where} with ${side.held.length === 0 ? 'no lock' : side.held.join(', ')}`;
}

/** A data race that the list of known ones has. */
export interface KnownFinding {
  finding: Finding;
  known: KnownRace;
}

/** What two sides have in common whatever their order and the number of a worker. */
function sortKey({ fn, site, task, access }: RaceSide): string {
  return `${fn} ${site} ${task.replace(/:\d+$/, '')} ${access}`;
}

/**
 * The data races of a run: one finding `data-race` for each field and pair of places, or of tasks where places are not
 * kept. Those that are known of the kernel are kept apart.
 */
export class Races {
  readonly revision: string;
  /** Races that the list of known ones has. */
  readonly known: KnownFinding[] = [];
  private readonly seen = new Set<string>();

  constructor(revision: string) {
    this.revision = revision;
  }

  /** Only what is reported. */
  get [NOT_STATE](): readonly string[] {
    return ['known', 'seen'];
  }

  /** A race was found, in the running task. */
  found(race: Race): void {
    const before = sideOf(race.before);
    const after = sideOf(race.after);
    const sides = [before, after].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1));
    const field = `${race.struct}.${race.field}`;
    const place = sides[0].fn !== '' || sides[1].fn !== '';
    const key = [field, ...sides.map((s) => (place ? `${s.fn} ${s.site} ${s.access}` : sortKey(s)))].join(
      ', ',
    );
    const known = KNOWN_RACES.find((k) => covers(k, race, sides, this.revision));
    // A known race must not hide another one of the same tasks.
    const once = known === undefined ? key : `known ${key}`;
    if (this.seen.has(once)) return;
    this.seen.add(once);
    const [first, second] = sides;
    const finding: Finding = {
      kind: 'data-race',
      text: `${field}: ${sideText(first)}, ${sideText(second)}, and nothing orders the two`,
      task: first.task,
      fns: first.fn === '' ? [] : [first.fn],
      held: first.held,
      at: machine.clock.now,
      detail: {
        // The same with places kept and without.
        race: [field, ...[before, after].map((s) => `${s.task} ${s.access}`).sort()].join(', '),
        struct: race.struct,
        field: race.field,
        before,
        after,
      },
    };
    if (known !== undefined) {
      this.known.push({ finding, known });
      return;
    }
    machine.findings.push(finding);
    if (machine.tracing) trace('finding', `data-race: ${finding.text}`);
  }
}

function covers(known: KnownRace, race: Race, sides: readonly RaceSide[], revision: string): boolean {
  if (known.struct !== race.struct || known.field !== race.field) return false;
  if (known.revisions !== undefined && !known.revisions.includes(revision.split(/[@+]/)[0])) return false;
  return sides.some((side) => isKnownSide(known, side));
}

/** Is this what the list says that one side does? Where places are not kept, the locks have to do. */
export function isKnownSide({ side }: KnownRace, s: RaceSide): boolean {
  return (
    s.access === side.access &&
    (s.fn === '' || side.functions.includes(s.fn)) &&
    (side.unlocked !== true || s.held.length === 0) &&
    (side.outside !== true || s.site === '') &&
    (side.without === undefined || !s.held.includes(side.without)) &&
    (side.holding === undefined || s.held.includes(side.holding))
  );
}
