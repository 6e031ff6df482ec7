// SPDX-License-Identifier: GPL-2.0-only
import {
  Cpu,
  current,
  type FreedStruct,
  Machine,
  type MachineOptions,
  type Obj,
  type Op,
  type SpawnOptions,
  type Task,
} from '@vfio-lab/sim';
import { Accesses, type Race } from './accesses.ts';
import { Order } from './order.ts';
import { type AccessObserver, type Shadow, shadowOf, watch } from './shadow.ts';

export interface RaceOptions extends MachineOptions {
  /** Classes of the structs whose fields are watched. */
  structs: ReadonlySet<unknown>;
  /** Told of every race as it is found, in the task that made the later access. */
  race: (race: Race) => void;
  /** Keep the place of every access, for the C function it is in. Slow: for telling, not for searching. */
  places?: boolean;
}

/** A machine that finds data races on the fields of structs, from watch() on. */
export class RaceMachine extends Machine {
  private readonly structs: ReadonlySet<unknown>;
  private readonly order = new Order();
  private readonly accesses: Accesses;
  private watching = false;

  constructor(opts: RaceOptions) {
    super(opts);
    this.structs = opts.structs;
    this.accesses = new Accesses(this.order, opts.race, opts.places ?? false);
  }

  /** Accesses count from here on. All that was before comes before all that follows. */
  watch(): void {
    this.watching = true;
    this.order.restart(current);
    this.accesses.begin();
  }

  override adopt<T extends object>(obj: T): T {
    watch(obj, this.structs, this.accesses);
    return obj;
  }

  override disown(obj: object, freed: FreedStruct): void {
    const shadow = shadowOf(obj);
    if (shadow !== undefined) shadow.observer = new Disowned(freed);
  }

  override peek<T>(look: () => T): T {
    const was = this.accesses.on;
    this.accesses.on = false;
    try {
      return look();
    } finally {
      this.accesses.on = was;
    }
  }

  override point(op: Op): Promise<void> | undefined {
    // Who can go on is looked up by the machine, not by the task.
    this.accesses.on = false;
    const wait = super.point(op);
    if (wait === undefined && this.watching) this.proceed(op);
    return wait;
  }

  protected override switch(next: Task): void {
    super.switch(next);
    if (!this.watching) return;
    this.order.enter(next);
    this.proceed(next.op);
  }

  private proceed(op: Op): void {
    this.order.step(current, op);
    this.accesses.announce(op);
    this.accesses.on = true;
  }

  protected override end(task: Task): void {
    this.accesses.on = false;
    this.order.end(task);
    super.end(task);
  }

  override spawn(name: string, fn: () => Promise<void> | void, opts: SpawnOptions): Task {
    const by = current as Task | undefined;
    const task = super.spawn(name, fn, opts);
    if (this.watching) {
      let after = opts.after;
      if (after === undefined)
        after = by !== undefined && this.order.knows(by) ? this.order.stamp() : this.order.all();
      this.order.begin(task, after);
    }
    return task;
  }

  override stamp(): unknown {
    return this.watching ? this.order.stamp() : null;
  }

  override publish(place: Obj | Cpu): void {
    if (this.watching) this.order.publish(place);
  }

  override observe(place: Obj | Cpu): void {
    if (this.watching) this.order.observe(place);
  }

  protected override make_cpu(id: number): Cpu {
    return new OrderedCpu(id, this);
  }

  /** Told by a processor when its interrupts go off or on. */
  interrupts(cpu: Cpu, off: boolean): void {
    if (!this.watching) return;
    if (off) this.order.observe(cpu);
    else this.order.publish(cpu);
  }

  /** Told by RaceLocks. */
  acquired(lock: Obj, mode: 'read' | 'write'): void {
    if (this.watching) this.order.acquired(lock, mode);
  }

  /** Told by RaceLocks. */
  released(lock: Obj, mode: 'read' | 'write'): void {
    if (this.watching) this.order.released(lock, mode);
  }
}

/** Hands accesses to a struct on to who has to know that it is freed. */
class Disowned implements AccessObserver {
  readonly freed: FreedStruct;

  constructor(freed: FreedStruct) {
    this.freed = freed;
  }

  read(shadow: Shadow, field: number): void {
    this.freed.used(shadow.fields[field], 'read');
  }

  write(shadow: Shadow, field: number): void {
    this.freed.used(shadow.fields[field], 'write');
  }
}

/** A processor that tells when its interrupts go off or on: `irqs_off` is an accessor of its prototype. */
class OrderedCpu extends Cpu {
  declare off: boolean | undefined;
  readonly order: RaceMachine;

  constructor(id: number, order: RaceMachine) {
    super(id);
    this.order = order;
  }
}

Object.defineProperty(OrderedCpu.prototype, 'irqs_off', {
  get(this: OrderedCpu) {
    return this.off === true;
  },
  set(this: OrderedCpu, off: boolean) {
    const was = this.off;
    this.off = off;
    if (was !== undefined && was !== off) this.order.interrupts(this, off);
  },
});
