// SPDX-License-Identifier: GPL-2.0-only
// One open device on a booted machine, in words that mean the same on every revision.
import type { Kernel, vfio_pci_core_device } from '@vfio-lab/headers';
import {
  EINVAL,
  errno_name,
  type eventfd_ctx,
  RPM_SUSPENDING,
  type rpm_status,
  slab_mark,
} from '@vfio-lab/kernel';
import { type pci_dev, PCI_PM_CTRL_PME_ENABLE, pci_power_name } from '@vfio-lab/pci';
import { Lab } from '@vfio-lab/scenarios';
import { revision } from '@vfio-lab/series';
import {
  current,
  type Finding,
  join,
  machine,
  type Policy,
  RunToBlock,
  spawn,
  type TraceEvent,
} from '@vfio-lab/sim';
import {
  bootTestbed,
  checkClosed,
  checkUnbound,
  type LowPower,
  lowPowerOf,
  type Testbed,
  type User,
  type VfioDevice,
} from '@vfio-lab/testbed';

/** The device that most checks use: the first endpoint of our machines. */
export const CARD = '0000:01:00.0';
/** PMCSR in config space on our machines. */
export const PMCSR = 0x44;
const PME_IRQ_INDEX = 5;

export interface BenchOptions {
  revision?: string;
  /** Default own-power: a card that goes to D3cold with its own suspend. */
  topology?: string;
  /** Module parameters of vfio-pci. */
  options?: string;
  /** Devices to open; the first is the bench's. Default: CARD alone. An empty list: none is opened. */
  open?: readonly string[];
  /** Keep the stack of C functions. */
  instrument?: boolean;
}

export interface BenchRun<T> {
  /** undefined: the program did not come to its end (a deadlock, which is among the findings). */
  value: T | undefined;
  findings: Finding[];
  events: TraceEvent[];
}

export interface State {
  count: number;
  engaged: boolean;
  status: string;
  power: string;
}

/** A change of the usage count: who was where. */
export interface CountChange {
  from: number;
  to: number;
  /** How the running task held memory_lock. */
  lock: 'read' | 'write' | '';
  status: string;
  engaged: boolean;
}

type AnyFunction = (this: unknown, ...args: unknown[]) => unknown;

const RPM_STATUS = ['active', 'resuming', 'suspended', 'suspending'];

/** Did a low power call of any revision succeed? v3 gives 1 for success and +22 for an error. */
export function ok(ret: number): boolean {
  return ret >= 0 && ret !== EINVAL;
}

/** A result as it is written: 0, -EIO, +EINVAL. */
export function errno(ret: number): string {
  if (ret < 0) return `-${errno_name(-ret)}`;
  return ret === EINVAL ? '+EINVAL' : String(ret);
}

export class Bench {
  readonly testbed: Testbed;
  readonly lab: Lab;
  readonly low: LowPower;
  readonly user: User;
  readonly bdf: string;
  readonly devs: readonly VfioDevice[];
  /** Resume and suspend callbacks that have begun since the bench was made. */
  resumes = 0;
  suspends = 0;
  #efd = -1;

  constructor(testbed: Testbed, lab: Lab, devs: readonly VfioDevice[], bdf: string) {
    this.testbed = testbed;
    this.lab = lab;
    this.user = lab.user;
    this.low = lowPowerOf(testbed.revision);
    this.devs = devs;
    this.bdf = bdf;
    this.spy('vfio_pci_core_runtime_resume', () => void this.resumes++);
    this.spy('vfio_pci_core_runtime_suspend', () => void this.suspends++);
  }

  get dev(): VfioDevice {
    return this.devs[0];
  }
  get k(): Kernel {
    return this.testbed.kernel;
  }
  get pdev(): pci_dev {
    return this.lab.pdev(this.bdf);
  }
  get vdev(): vfio_pci_core_device {
    return this.lab.vdev(this.bdf);
  }

  /** A field of the device's struct that a patch adds; undefined where the revision lacks it. */
  field(name: string, bdf = this.bdf): unknown {
    return this.lab.field(bdf, name);
  }

  engaged(bdf = this.bdf): boolean {
    return this.field('pm_runtime_engaged', bdf) === true || this.field('platform_pm_engaged', bdf) === true;
  }

  state(bdf = this.bdf): State {
    const pdev = this.lab.pdev(bdf);
    const { power } = pdev.dev;
    return {
      count: power.usage_count.counter,
      engaged: this.engaged(bdf),
      status: RPM_STATUS[power.runtime_status] ?? '',
      power: pci_power_name(pdev.current_state),
    };
  }

  get asleep(): boolean {
    return this.state().status === 'suspended';
  }

  settle(): Promise<void> {
    return this.lab.settle();
  }

  /** ENTER; the raw result. */
  enter(opts: { reentryDisable?: boolean } = {}, dev = this.dev): Promise<number> {
    return this.low.enter(dev, opts);
  }

  exit(dev = this.dev): Promise<number> {
    return this.low.exit(dev);
  }

  /** ENTER and fall asleep. Throws when that is refused. */
  async sleep(): Promise<void> {
    const ret = await this.enter();
    if (!ok(ret)) throw new Error(`ENTER gives ${errno(ret)}`);
    await this.settle();
  }

  /**
   * Ask to be told of a wake, in the way of the revision: a PME interrupt (v4), or an eventfd at ENTRY (v5 and later).
   * Then ENTER; the raw result.
   */
  async enterNotified(): Promise<number> {
    if (this.#efd < 0) this.#efd = await this.user.eventfd();
    if (this.low.has.wakeup) return this.low.enter(this.dev, { wakeup: this.#efd });
    if (this.k.VFIO_PCI_NUM_IRQS <= PME_IRQ_INDEX) throw new Error('nobody is told of a wake here');
    await this.dev.setTrigger(PME_IRQ_INDEX, this.#efd);
    await this.dev.writeConfig(PMCSR, 2, PCI_PM_CTRL_PME_ENABLE);
    return this.enter();
  }

  /** How often the user has been told of a wake since the last question. */
  async told(): Promise<number> {
    return this.#efd < 0 ? 0 : this.signals(this.#efd);
  }

  /** The count of an eventfd, which becomes 0. */
  async signals(fd: number): Promise<number> {
    return Number((await this.user.eventfdRead(fd)).count);
  }

  /** The host reads config space, as lspci does, and all that follows from it happens. */
  async lspci(bdf = this.bdf): Promise<number> {
    const ret = await this.lab.lspci(bdf);
    await this.settle();
    return ret;
  }

  /** Write power/control as the host's administrator. */
  async control(word: 'on' | 'auto', bdf = this.bdf): Promise<void> {
    await this.lab.host(() => this.testbed.sysfsWrite(`/sys/bus/pci/devices/${bdf}/power/control`, word));
  }

  /** Make resumes fail, or work again; disable or enable runtime PM. */
  async tamper(op: 'err' | 'clear' | 'disable' | 'enable', bdf = this.bdf): Promise<void> {
    await this.lab.host(() => this.testbed.loadModule('pmerr', [`bdf=${bdf}`, `op=${op}`]));
  }

  /** Load 4 bytes through a mapping: the value, or the signal. */
  async touch(addr: number): Promise<number | string> {
    const r = await this.user.load(addr, 4);
    return 'signal' in r ? r.signal : Number(r.value);
  }

  /**
   * Be called around a driver function, whoever calls it.
   *
   * @param before gets the arguments
   * @param after gets the result, once it is there
   */
  spy(name: string, before: (...args: never[]) => void, after?: (result: unknown) => void): void {
    const table = this.k as unknown as Record<string, AnyFunction | undefined>;
    const fn = table[name];
    if (fn === undefined) return;
    table[name] = function (this: unknown, ...args: unknown[]): unknown {
      (before as (...a: unknown[]) => void)(...args);
      const result = fn.apply(this, args);
      if (after === undefined) return result;
      if (!(result instanceof Promise)) {
        after(result);
        return result;
      }
      return result.then((value: unknown) => {
        after(value);
        return value;
      });
    };
  }

  /** How the running task holds memory_lock of the device. */
  memoryLock(): 'read' | 'write' | '' {
    const lock = this.vdev.memory_lock as unknown;
    return current.held.find((h) => h.lock === lock)?.mode ?? '';
  }

  /** Be called when runtime PM starts a suspend, before the callback. */
  onSuspending(told: () => void): void {
    const { power } = this.pdev.dev;
    let status: rpm_status = power.runtime_status;
    Object.defineProperty(power, 'runtime_status', {
      configurable: true,
      enumerable: true,
      get: () => status,
      set: (to: rpm_status) => {
        status = to;
        if (to === RPM_SUSPENDING) told();
      },
    });
  }

  /** Be called when the eventfd by which the user is told of a wake gains a count; after enterNotified(). */
  onSignal(told: () => void): void {
    const ctx = (this.field('pm_wake_eventfd_ctx') ?? this.field('pme_trigger')) as
      | eventfd_ctx
      | null
      | undefined;
    if (!ctx) throw new Error('nobody waits to be told');
    let { count } = ctx;
    Object.defineProperty(ctx, 'count', {
      configurable: true,
      enumerable: true,
      get: () => count,
      set: (to: bigint) => {
        if (to > count) told();
        count = to;
      },
    });
  }

  /** Record every change of the usage count from now on; `each` is told as well. */
  watchCount(each?: (change: CountChange) => void): CountChange[] {
    const changes: CountChange[] = [];
    const { usage_count } = this.pdev.dev.power;
    let value = usage_count.counter;
    Object.defineProperty(usage_count, 'counter', {
      configurable: true,
      enumerable: true,
      get: () => value,
      set: (to: number) => {
        const { status, engaged } = this.state();
        const change = { from: value, to, lock: this.memoryLock(), status, engaged };
        changes.push(change);
        value = to;
        each?.(change);
      },
    });
    return changes;
  }

  /** Run programs as concurrent tasks, by name, under a policy. Their schedule as a token. */
  async concurrently(programs: Record<string, () => Promise<void>>, policy: Policy): Promise<string> {
    machine.policy = policy;
    machine.restart_recording();
    const tasks = Object.entries(programs).map(([name, program]) =>
      spawn(name, program, { process: this.testbed.process }),
    );
    for (const task of tasks) await join(task);
    const token = machine.schedule;
    machine.policy = new RunToBlock();
    return token;
  }
}

/** Boot a machine, open its device, run a program, close everything. Checks counts, references and leaks at the end. */
export async function runBench<T>(
  rev: string,
  body: (b: Bench) => Promise<T>,
  opts: BenchOptions = {},
  tracing = false,
): Promise<BenchRun<T>> {
  const testbed = await bootTestbed({
    revision: opts.revision ?? rev,
    topology: opts.topology ?? 'own-power',
    options: opts.options ?? '',
    instrument: opts.instrument ?? false,
    tracing,
  });
  let value: T | undefined;
  const list = opts.open ?? [CARD];
  await testbed.asUser(async () => {
    await testbed.loadVfio();
    const mark = slab_mark();
    const lab = new Lab(testbed);
    const devs: VfioDevice[] = [];
    for (const bdf of list) devs.push(await lab.open(bdf));
    await lab.settle();
    const b = new Bench(testbed, lab, devs, list[0] ?? CARD);
    value = await body(b);
    await testbed.exitProcess();
    await lab.settle();
    checkClosed(testbed, mark);
    await testbed.unbindAll();
    checkUnbound(mark);
  });
  return { value, findings: testbed.machine.findings, events: testbed.machine.events };
}

/** The what-if of this name on top of a revision; null where it does not go. */
export function withWhatIf(rev: string, name: string): string | null {
  const { series, prefix, whatifs } = revision(rev);
  if (series?.name !== 'v4' || prefix !== series.patches.length || whatifs.length > 0) return null;
  return `v4+${name}`;
}
