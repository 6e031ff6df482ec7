// SPDX-License-Identifier: GPL-2.0-only
import type { vfio_pci_core_device } from '@vfio-lab/headers';
import { dev_get_drvdata, ENOTTY, errno_name } from '@vfio-lab/kernel';
import { type pci_dev, pci_power_name } from '@vfio-lab/pci';
import {
  access,
  current,
  join,
  machine,
  NOT_STATE,
  report,
  sleep_ns,
  spawn,
  STATE,
  trace,
} from '@vfio-lab/sim';
import {
  type LowPower,
  lowPowerOf,
  type Testbed,
  User,
  type VfioDevice,
  VfioSession,
} from '@vfio-lab/testbed';
import { SuspendWatch, traceFlags } from './watch.ts';

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

/** A device in use: the reference of its open file, nothing engaged. */
export const AWAKE: Expected = { count: 1, engaged: false, resumed: false, status: 'active', power: 'D0' };
/** After ENTER, on a platform that can cut the power. */
export const ASLEEP: Expected = {
  count: 0,
  engaged: true,
  resumed: false,
  status: 'suspended',
  power: 'D3cold',
};
/** Woken by somebody else than the guest, and held awake until the guest acts. */
export const PINNED: Expected = { count: 1, engaged: true, resumed: true, status: 'active', power: 'D0' };
/** Bound to vfio-pci, and nobody has it open. */
export const UNUSED: Expected = { count: 0, engaged: false, resumed: false, status: 'suspended' };

/** Registers of our own cards in BAR 0: raise an interrupt, acknowledge it. */
const DOORBELL = 0x08;
const DOORBELL_ACK = 0x0c;

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
  /** Which part of the scenario the task `main` is in. */
  phase: 'setup' | 'check' = 'setup';
  private readonly seen = new Map<string, string[]>();
  private readonly watches: SuspendWatch[] = [];
  /** The revision is one that the expectations are written for. */
  private readonly _own: boolean;

  constructor(testbed: Testbed) {
    this.testbed = testbed;
    this._own = testbed.revision.series === null || testbed.revision.series.name === 'v4';
    testbed.machine.scope(WORDS, (): Words => ({ low: lowPowerOf(testbed.revision), own: this._own }));
    this.user = new User(testbed.process);
    this.session = new VfioSession(this.user);
  }

  /** What was seen counts as it is told. */
  get [NOT_STATE](): readonly string[] {
    return ['seen'];
  }

  [STATE](): readonly unknown[] {
    return [this.outcome()];
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
    for (const other of this.testbed.endpoints()) {
      if (this.testbed.groupOf(other) === group && this.testbed.driverOf(other) === '')
        await this.testbed.bindVfio(other);
    }
    const dev = await this.session.open(bdf, group);
    if (machine.tracing) traceFlags(this.vdev(bdf));
    await dev.writeConfig(4, 2, 6);
    return dev;
  }

  /** Let everything that is pending happen: workers, autosuspend, interrupts. */
  async settle(): Promise<void> {
    await sleep_ns(SETTLE_NS);
  }

  /** Run something as the host, in a task of its own, and wait for it. */
  async host<T>(body: () => Promise<T>): Promise<T> {
    let value: T | undefined;
    await join(
      spawn('host', async () => {
        value = await body();
      }),
    );
    return value as T;
  }

  /**
   * Host access to config space through sysfs, as lspci does: `size` bytes as a little-endian number, or -errno. Made by
   * the running task when that is the host, else by a task of the host's.
   */
  async lspci(bdf: string, off = 0, size = 4): Promise<number> {
    if (current.name !== 'host') return this.host(() => this.configRead(bdf, off, size));
    return this.configRead(bdf, off, size);
  }

  private async configRead(bdf: string, off: number, size: number): Promise<number> {
    const r = await this.testbed.configRead(bdf, off, size);
    if (typeof r === 'number') return r;
    return r.reduceRight((v, b) => v * 256 + b, 0);
  }

  /** Does lspci see the device, or the all ones of one that is off? */
  async lspciSees(bdf: string): Promise<boolean> {
    const pdev = this.pdev(bdf);
    const id = machine.peek(() => pdev.device * 0x10000 + pdev.vendor);
    return (await this.lspci(bdf)) === id;
  }

  /** The device wants its interrupt, by itself: no processor touches it. A device that is off wants nothing. */
  async ring(bdf: string): Promise<void> {
    const { hw } = this.pdev(bdf);
    await access(hw.obj, true, 'hw');
    if (hw.has_power()) hw.model?.mmio_write?.(0, DOORBELL, 4, 1);
  }

  /** The guest tells the device that it has served the interrupt. */
  acknowledge(dev: VfioDevice): Promise<number> {
    return dev.write('bar0', DOORBELL_ACK, 4, 1);
  }

  /** Report `undirected-suspend` when a device falls asleep that its guest has not sent to sleep; until the programs end. */
  watchSuspends(bdf: string): void {
    this.watches.push(new SuspendWatch(this.pdev(bdf), this.vdev(bdf)));
  }

  endWatches(): void {
    for (const watch of this.watches.splice(0)) watch.on = false;
  }

  pdev(bdf: string): pci_dev {
    return this.testbed.pciDevice(bdf);
  }

  /** The driver's struct for a bound device. */
  vdev(bdf: string): vfio_pci_core_device {
    return machine.peek(() => dev_get_drvdata<vfio_pci_core_device>(this.pdev(bdf).dev));
  }

  /** A field that a patch adds to struct vfio_pci_core_device; undefined where the revision has no such field. */
  field(bdf: string, name: string): unknown {
    return machine.peek(() => (this.vdev(bdf) as unknown as Record<string, unknown>)[name]);
  }

  /** What is true of a device now, in the words of Expected. */
  state(bdf: string): Required<Expected> {
    return machine.peek(() => this._state(bdf));
  }

  private _state(bdf: string): Required<Expected> {
    const pdev = this.pdev(bdf);
    const power = pdev.dev.power;
    return {
      count: power.usage_count.counter,
      engaged:
        this.field(bdf, 'pm_runtime_engaged') === true || this.field(bdf, 'platform_pm_engaged') === true,
      resumed: this.field(bdf, 'pm_runtime_resumed') === true,
      status: RPM_STATUS[power.runtime_status] as 'active' | 'suspended',
      power: pci_power_name(pdev.current_state) as 'D0' | 'D3hot' | 'D3cold',
    };
  }

  /** How a device is, in words: 'asleep in D3cold', 'awake in D0'. */
  look(bdf: string): string {
    const { status, power } = this.state(bdf);
    return `${status === 'active' ? 'awake' : status === 'suspended' ? 'asleep' : status} in ${power}`;
  }

  /** Finding `expectation` when the device is not as expected after a step. */
  step(what: string, bdf: string, expected: Expected): void {
    const now = this.state(bdf);
    const other: string[] = [];
    for (const [key, want] of Object.entries(expected)) {
      const got = now[key as keyof Expected];
      if (got === want || (key === 'resumed' && this.field(bdf, 'pm_runtime_resumed') === undefined))
        continue;
      if (this._own) report('expectation', `${what}: ${key} is ${String(got)}, not ${String(want)}`);
      else other.push(`${key} ${String(got)}`);
    }
    if (other.length > 0) this.saw(`unlike v4 after ${what}: ${other.join(' ')}`);
  }

  /** Finding `expectation` when a result is not what the scenario says it must be. */
  expect(what: string, got: unknown, want: unknown): void {
    if (got === want) return;
    // Another series may mean it so: there it is part of what was seen.
    if (this._own) report('expectation', `${what}: ${result(got)}, not ${result(want)}`);
    else this.saw(`unlike v4: ${what} ${result(got)}`);
  }

  /** Something the user could see, for the outcome of the run. Grouped by task, so that schedules compare. */
  saw(what: string): void {
    const key = current.name === 'main' ? this.phase : current.name;
    const list = this.seen.get(key);
    if (list === undefined) this.seen.set(key, [what]);
    else list.push(what);
    if (machine.tracing) trace('saw', what);
  }

  /** All that was seen, one string: set-up, the programs by name (no name for one alone), check. */
  outcome(): string {
    const programs = [...this.seen.keys()].filter((key) => key !== 'setup' && key !== 'check').sort();
    return ['setup', ...programs, 'check']
      .filter((key) => this.seen.has(key))
      .map(
        (key) =>
          `${programs.length > 1 && programs.includes(key) ? `${key}: ` : ''}${(this.seen.get(key) ?? []).join(', ')}`,
      )
      .join('; ');
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

/** The low power of the revision that runs; `own`: the one that takes flags. */
interface Words {
  low: LowPower;
  own: boolean;
}
const WORDS = Symbol('low power');

function words(): Words {
  return machine.scope(WORDS, () => {
    throw new Error('no scenario runs');
  });
}

/**
 * Low power by the flags of v4: 0 or -errno. ENTER and EXIT are put into the words of the revision that runs. Where
 * there is no REENTERY_DISABLE but an entry with wakeup, it is that: after it, too, the device stays awake once woken.
 * Flags that mean nothing are passed on as they are.
 */
export async function lowPower(dev: VfioDevice, flags: number): Promise<number> {
  const { low, own } = words();
  if (!own && low.has.lowPower) {
    let ret = NaN;
    if (flags === LOW_POWER_EXIT) ret = await low.exit(dev);
    if (flags === LOW_POWER_ENTER) ret = await low.enter(dev);
    if (flags === (LOW_POWER_ENTER | LOW_POWER_REENTERY_DISABLE))
      ret = await low.enter(dev, low.has.wakeup ? { wakeup: await dev.user.eventfd() } : {});
    // 1 is how v3 says that all went well.
    if (!Number.isNaN(ret)) return ret === 1 ? 0 : ret;
  }
  return (await dev.feature(FEATURE_SET | FEATURE_PM, payload(flags))).ret;
}

/** GET of the low-power feature of v4: its flags, or -errno. */
export async function lowPowerFlags(dev: VfioDevice): Promise<number> {
  const { ret, bytes } = await dev.feature(FEATURE_GET | FEATURE_PM, payload(0));
  return ret < 0 ? ret : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

/** What the kernel says about a wake that is not the guest's: may the device go back to sleep after it? */
export async function reentryAllowed(dev: VfioDevice): Promise<boolean> {
  if (!words().own) return true;
  const flags = await lowPowerFlags(dev);
  return flags < 0 || (flags & LOW_POWER_REENTERY_DISABLE) === 0;
}

/** Flags of GET in words: 'ENTER', 'EXIT+REENTERY_DISABLE'. */
export function flagNames(flags: number): string {
  if (flags < 0) return result(flags);
  const names = ['ENTER', 'EXIT', 'REENTERY_DISABLE'].filter((_, bit) => flags & (1 << bit));
  return names.join('+') || '0';
}

/** ENTER, for scenarios that need it: false (and an outcome that says so) where the revision does not have it. */
export async function enter(lab: Lab, dev: VfioDevice, flags = 0): Promise<boolean> {
  const ret = await lowPower(dev, LOW_POWER_ENTER | flags);
  if (ret === 0) return true;
  lab.saw(ret === -ENOTTY ? 'no low power (ENOTTY)' : `ENTER ${result(ret)}`);
  return false;
}

/**
 * Open a device, check it, ENTER, and let it fall asleep in D3cold, checked at each step.
 *
 * @returns the open device; `asleep` false: ENTER is not there or was refused, and the outcome says so
 */
export async function openAsleep(
  lab: Lab,
  bdf: string,
  flags = 0,
): Promise<{ dev: VfioDevice; asleep: boolean }> {
  const dev = await lab.open(bdf);
  lab.step('open', bdf, AWAKE);
  const asleep = await enter(lab, dev, flags);
  if (asleep) {
    lab.step('ENTER', bdf, { count: 0, engaged: true, resumed: false });
    await lab.settle();
    lab.step('some time after ENTER', bdf, ASLEEP);
  } else {
    lab.step('refused ENTER', bdf, AWAKE);
  }
  return { dev, asleep };
}

/** PMCSR as the guest sees it, at its offset in config space on our machines. */
export const PMCSR = 0x44;
export const PME_EN = 0x0100;
export const PME_STATUS = 0x8000;

/** Is the virtual PME_Status set? Reading it is an access like any other, so ask while the device is awake. */
export async function pmeStatus(dev: VfioDevice): Promise<boolean> {
  return ((await dev.readConfig(PMCSR, 2)) & PME_STATUS) !== 0;
}

/** Index of the PME interrupt, -1 where the device has none to offer. An ioctl: ask while the device is awake. */
export async function pmeIndex(dev: VfioDevice): Promise<number> {
  const PME_IRQ_INDEX = 5;
  return (await dev.numIrqs()) > PME_IRQ_INDEX ? PME_IRQ_INDEX : -1;
}
