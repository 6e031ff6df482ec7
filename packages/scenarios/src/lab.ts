// SPDX-License-Identifier: GPL-2.0-only
import type { vfio_pci_core_device } from '@vfio-lab/headers';
import { dev_get_drvdata, ENOTTY, errno_name } from '@vfio-lab/kernel';
import { type pci_dev, pci_power_name } from '@vfio-lab/pci';
import { current, report, sleep_ns } from '@vfio-lab/sim';
import { type Testbed, User, type VfioDevice, VfioSession } from '@vfio-lab/testbed';

/** What the table of a revision says about a device after a step. Fields left out are not looked at. */
export interface Expected {
  /** runtime-PM usage count. */
  count?: number;
  /** pm_runtime_engaged. */
  engaged?: boolean;
  /** pm_runtime_resumed. */
  resumed?: boolean;
  status?: 'active' | 'suspended';
  power?: 'D0' | 'D3hot' | 'D3cold';
}

const RPM_STATUS = ['active', 'resuming', 'suspended', 'suspending'];
/** Long enough for every idle check, autosuspend and D3cold entry to be through. */
const SETTLE_NS = 1e9;

/** Low-power feature of v4 and its flags. */
export const FEATURE_PM = 3;
export const FEATURE_GET = 1 << 16;
export const FEATURE_SET = 1 << 17;
export const FEATURE_PROBE = 1 << 18;
export const LOW_POWER_ENTER = 1 << 0;
export const LOW_POWER_EXIT = 1 << 1;
export const LOW_POWER_REENTERY_DISABLE = 1 << 2;

/** What a scenario works with: a booted machine, the guest's process, the host, and a place to say what was seen. */
export class Lab {
  readonly testbed: Testbed;
  readonly user: User;
  readonly session: VfioSession;
  readonly #seen = new Map<string, string[]>();

  constructor(testbed: Testbed) {
    this.testbed = testbed;
    this.user = new User(testbed.process);
    this.session = new VfioSession(this.user);
  }

  /** Bind a device to vfio-pci and let it fall asleep unused. */
  async bind(...bdfs: string[]): Promise<void> {
    for (const bdf of bdfs) await this.testbed.bindVfio(bdf);
    await this.settle();
  }

  /**
   * Open a device as a guest's monitor does: its whole IOMMU group bound to vfio-pci, memory decode and bus master on.
   */
  async open(bdf: string): Promise<VfioDevice> {
    const group = this.testbed.groupOf(bdf);
    const unbound = this.testbed.endpoints().filter((d) => this.testbed.groupOf(d) === group && this.testbed.driverOf(d) === '');
    if (unbound.length > 0) await this.bind(...unbound);
    const dev = await this.session.open(bdf, group);
    await dev.writeConfig(4, 2, 6);
    return dev;
  }

  /** Let everything that is pending happen: workers, autosuspend, interrupts. */
  async settle(): Promise<void> {
    await sleep_ns(SETTLE_NS);
  }

  /** Host access to config space through sysfs, as lspci does: `size` bytes as a little-endian number, or -errno. */
  async lspci(bdf: string, off = 0, size = 4): Promise<number> {
    const r = await this.testbed.configRead(bdf, off, size);
    if (typeof r === 'number') return r;
    return r.reduceRight((v, b) => v * 256 + b, 0);
  }

  pdev(bdf: string): pci_dev {
    return this.testbed.pciDevice(bdf);
  }

  /** The driver's struct for a bound device. */
  vdev(bdf: string): vfio_pci_core_device {
    return dev_get_drvdata<vfio_pci_core_device>(this.pdev(bdf).dev);
  }

  /** A field that a patch adds to struct vfio_pci_core_device; undefined where the revision has no such field. */
  field(bdf: string, name: string): unknown {
    return (this.vdev(bdf) as unknown as Record<string, unknown>)[name];
  }

  /** What is true of a device now, in the words of Expected. */
  state(bdf: string): Required<Expected> {
    const pdev = this.pdev(bdf);
    const power = pdev.dev.power;
    return {
      count: power.usage_count.counter,
      engaged: this.field(bdf, 'pm_runtime_engaged') === true,
      resumed: this.field(bdf, 'pm_runtime_resumed') === true,
      status: RPM_STATUS[power.runtime_status] as 'active' | 'suspended',
      power: pci_power_name(pdev.current_state) as 'D0' | 'D3hot' | 'D3cold',
    };
  }

  /** Finding `expectation` when the device is not as expected after a step. */
  step(what: string, bdf: string, expected: Expected): void {
    const now = this.state(bdf);
    for (const [key, want] of Object.entries(expected)) {
      const got = now[key as keyof Expected];
      if (got !== want && !(key === 'resumed' && this.field(bdf, 'pm_runtime_resumed') === undefined)) {
        report('expectation', `${what}: ${key} is ${String(got)}, not ${String(want)}`);
      }
    }
  }

  /** Finding `expectation` when a result is not what the scenario says it must be. */
  expect(what: string, got: unknown, want: unknown): void {
    if (got !== want) report('expectation', `${what}: ${result(got)}, not ${result(want)}`);
  }

  /** Something the user could see, for the outcome of the run. Grouped by task, so that schedules compare. */
  saw(what: string): void {
    const name = current.name;
    const list = this.#seen.get(name);
    if (list === undefined) this.#seen.set(name, [what]);
    else list.push(what);
  }

  /** All that was seen, one string: tasks by name, `main` (set-up and check) first and unnamed. */
  outcome(): string {
    const tasks = [...this.#seen.keys()].sort();
    return tasks.map((t) => `${t === 'main' ? '' : `${t}: `}${(this.#seen.get(t) as string[]).join(', ')}`).join('; ');
  }
}

/** A return value in words: 'ok' for 0, the name of an errno, else the number. */
export function result(v: unknown): string {
  if (typeof v !== 'number') return String(v);
  return v === 0 ? 'ok' : v < 0 ? errno_name(-v) : String(v);
}

export function payload(flags: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(flags, 0).buffer);
}

/** SET of the low-power feature of v4: 0 or -errno. */
export async function lowPower(dev: VfioDevice, flags: number): Promise<number> {
  return (await dev.feature(FEATURE_SET | FEATURE_PM, payload(flags))).ret;
}

/** ENTER, for scenarios that need it: false (and an outcome that says so) where the revision does not have it. */
export async function enter(lab: Lab, dev: VfioDevice, flags = 0): Promise<boolean> {
  const ret = await lowPower(dev, LOW_POWER_ENTER | flags);
  if (ret === 0) return true;
  lab.saw(ret === -ENOTTY ? 'no low power here (ENOTTY)' : `ENTER ${result(ret)}`);
  return false;
}
