// SPDX-License-Identifier: GPL-2.0-only
import type { Cpu, Obj, Op, Task } from '@vfio-lab/sim';
import { mutex } from '../mutex.ts';
import { rw_semaphore } from '../rwsem.ts';
import { spinlock_t } from '../spinlock.ts';
import { TaskClock, VectorClock } from './clock.ts';

/** The slot of the task that everything starts with. */
const FIRST = 1;

/** What can be published at. */
type Place = Obj | Cpu;

/**
 * Happens-before between tasks.
 *
 * 1. A task publishes its clock where it lets go of something (unlock, atomic, wake-up, queueing, its end), and takes
 *    over what was published where it gets hold of it.
 * 2. A task comes after what its starter had done, a timer's function after the arming, an interrupt handler after
 *    the access that raised it.
 * 3. What runs with interrupts off on one processor is in order.
 * 4. Readers of a lock come after its writers, writers after both.
 * 5. An atomic that gives no result publishes and takes nothing over.
 * 6. Accesses to hardware order nothing.
 */
export class Order {
  /** Clock of the running task. */
  me = new TaskClock(0, 1);
  private slots = FIRST + 1;
  private readonly first = new TaskClock(FIRST, 1);
  private readonly tasks = new Map<Task, TaskClock>();
  /** Clocks of tasks that have ended, whose slots can be had again. */
  private readonly ended: TaskClock[] = [];
  /** What those knew who have ended. */
  private readonly past = new VectorClock();
  /** What was published at an object; at a lock by those who held it exclusively. */
  private readonly published = new Map<Place, VectorClock>();
  /** What those published who held a lock shared. */
  private readonly shared = new Map<Place, VectorClock>();

  /** Everything so far comes before all that follows. The task is the one that runs. */
  restart(task: Task): void {
    this.slots = FIRST + 1;
    this.tasks.clear();
    this.ended.length = 0;
    this.past.reset();
    this.published.clear();
    this.shared.clear();
    // The same objects every time: nothing has changed then from one start to another.
    this.first.start(1);
    this.me = this.first;
    this.tasks.set(task, this.first);
  }

  /** The task runs from here. */
  enter(task: Task): void {
    this.me = this.tasks.get(task) ?? this.begin(task, null);
  }

  /** A task starts; `after`: a stamp that it comes after, null: after nothing in particular. */
  begin(task: Task, after: unknown): TaskClock {
    const known = after instanceof VectorClock ? after : null;
    // A slot of a task that has ended does again when for the new one all is over that was done in it.
    const i = known === null ? -1 : this.ended.findIndex((c) => known.covers(c.last));
    let clock: TaskClock;
    if (i < 0) {
      clock = new TaskClock(this.slots++, 1);
    } else {
      const [old] = this.ended.splice(i, 1);
      clock = new TaskClock(old.slot, old.times[old.slot] + 1);
    }
    if (known !== null) clock.join(known);
    this.tasks.set(task, clock);
    return clock;
  }

  /** Has it a clock: has it started here and not ended? */
  knows(task: Task): boolean {
    return this.tasks.has(task);
  }

  end(task: Task): void {
    const clock = this.tasks.get(task);
    if (clock === undefined) return;
    this.publish(task);
    if (task.kind === 'hardirq') this.publish(task.cpu);
    this.past.join(clock);
    this.tasks.delete(task);
    this.ended.push(clock);
  }

  /** What the running task has done so far. */
  stamp(): VectorClock {
    const stamp = new VectorClock();
    stamp.join(this.me);
    this.me.tick();
    return stamp;
  }

  /** What everybody has done who has ended. */
  all(): VectorClock {
    return this.past;
  }

  publish(place: Place): void {
    this.letGo(this.published, place);
  }

  observe(place: Place): void {
    this.takeOver(this.published, place);
  }

  /** The running task has got a lock. */
  acquired(lock: Obj, mode: 'read' | 'write'): void {
    this.takeOver(this.published, lock);
    if (mode === 'write') this.takeOver(this.shared, lock);
  }

  /** The running task gives a lock up. */
  released(lock: Obj, mode: 'read' | 'write'): void {
    this.letGo(mode === 'write' ? this.published : this.shared, lock);
  }

  /** The running task does what it has announced. Locks tell themselves: only they know whether they were got. */
  step(task: Task, op: Op): void {
    switch (op.kind) {
      case 'atomic':
      case 'read':
      case 'write':
      case 'work':
      case 'timer':
      case 'wake':
      case 'wait':
      case 'idle':
      case 'trylock':
        if (!isLock(op.obj)) this.access(op.obj, op.write);
        else if (op.kind === 'wait') this.acquired(op.obj, 'write');
        break;
      case 'add':
        // Two of them may come either way round, so one says nothing about the other.
        this.publish(op.obj);
        break;
      case 'irq':
        this.observe(task.cpu);
        break;
      default:
        break;
    }
  }

  private access(obj: Obj, write: boolean): void {
    this.observe(obj);
    if (write) this.publish(obj);
  }

  private takeOver(from: Map<Place, VectorClock>, place: Place): void {
    const clock = from.get(place);
    if (clock !== undefined) this.me.join(clock);
  }

  private letGo(to: Map<Place, VectorClock>, place: Place): void {
    let clock = to.get(place);
    if (clock === undefined) to.set(place, (clock = new VectorClock()));
    clock.join(this.me);
    this.me.tick();
  }
}

function isLock(obj: Obj): boolean {
  return obj instanceof mutex || obj instanceof spinlock_t || obj instanceof rw_semaphore;
}
