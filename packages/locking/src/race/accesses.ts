// SPDX-License-Identifier: GPL-2.0-only
import { current, NOT_STATE, type Obj, type Op } from '@vfio-lab/sim';
import { FieldObj } from '../atomic.ts';
import { type Access, type FieldState, type FieldStates, Lane } from './field.ts';
import type { Order } from './order.ts';
import { type AccessObserver, type Shadow, shadowOf } from './shadow.ts';

/**
 * Two accesses to a field that nothing orders: at least one is a write, at least one is plain. Records are only good
 * during the call that hands them out.
 */
export interface Race {
  readonly struct: string;
  readonly field: string;
  readonly before: Access;
  readonly after: Access;
}

/** Runs in this process, so that a state of one that is over is known as such. */
let runs = 0;

/** Frames kept of a stack: ours, the accessor, READ_ONCE(), the function that used it and who called that. */
const FRAMES = 8;

function place(): { stack?: string } {
  const at: { stack?: string } = {};
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = FRAMES;
  Error.captureStackTrace(at);
  Error.stackTraceLimit = limit;
  return at;
}

/**
 * Checks every access to watched fields against the earlier ones to the same field (after FastTrack, Flanagan and
 * Freund, PLDI 2009).
 */
export class Accesses implements AccessObserver {
  /** Accesses count. Off while the machine itself looks at the state. */
  on = false;
  private run = 0;
  private readonly order: Order;
  private readonly race: (race: Race) => void;
  /** Keep the place of every access. It makes accesses a hundred times as slow. */
  private readonly places: boolean;
  /** The field that READ_ONCE() or WRITE_ONCE() has announced, and accesses next. */
  private announced: Obj | null = null;

  constructor(order: Order, race: (race: Race) => void, places: boolean) {
    this.order = order;
    this.race = race;
    this.places = places;
  }

  /** Only a number for a run, and what is announced before the next step. */
  get [NOT_STATE](): readonly string[] {
    return ['run', 'announced'];
  }

  /** Nothing has been accessed yet. */
  begin(): void {
    this.run = ++runs;
    this.on = true;
  }

  /** The running task goes on with this operation: the next access is a marked one when it says so. */
  announce(op: Op): void {
    this.announced = op.obj instanceof FieldObj ? op.obj : null;
  }

  read(shadow: Shadow, field: number, states: FieldStates): void {
    if (!this.on) return;
    const state = states.of[field];
    if (state !== null && state.run === this.run && state.readAt === this.order.me.epoch) return;
    this.firstRead(shadow, field, states.at(field, this.run));
  }

  /** The first read of a field by the running task since its clock went on. */
  private firstRead(shadow: Shadow, field: number, state: FieldState): void {
    const { me } = this.order;
    const marked = this.announced !== null && this.isAnnounced(shadow, field);
    const lane = marked ? (state.marked ??= new Lane(true)) : state.plain;
    const now = lane.reader(current, me);
    this.note(now);
    this.check(shadow, field, state, state.plain.wrote, now);
    if (marked) return;
    if (state.marked !== null) this.check(shadow, field, state, state.marked.wrote, now);
    if (!state.racy) state.readAt = me.epoch;
  }

  write(shadow: Shadow, field: number, states: FieldStates): void {
    if (!this.on) return;
    const state = states.at(field, this.run);
    const { plain } = state;
    if (plain.wrote.epoch === this.order.me.epoch && plain.readers === 0 && !state.racy) return;
    const marked = this.announced !== null && this.isAnnounced(shadow, field);
    const lane = marked ? (state.marked ??= new Lane(true)) : plain;
    const now = lane.writer();
    this.note(now);
    this.checkAll(shadow, field, state, plain, now);
    if (!marked && state.marked !== null) this.checkAll(shadow, field, state, state.marked, now);
    lane.written();
    state.readAt = 0;
  }

  private isAnnounced(shadow: Shadow, field: number): boolean {
    const obj = this.announced as FieldObj;
    if (shadowOf(obj.owner) !== shadow || shadow.fields[field] !== obj.field) return false;
    this.announced = null;
    return true;
  }

  private note(access: Access): void {
    const { me } = this.order;
    const task = current;
    access.epoch = me.last = me.epoch;
    access.task = task;
    access.site = task.site;
    const { held } = task;
    access.locks = held.length;
    for (let i = 0; i < held.length; i++) access.held[i] = held[i].lock;
    if (this.places) access.at = place();
  }

  private checkAll(shadow: Shadow, field: number, state: FieldState, lane: Lane, now: Access): void {
    this.check(shadow, field, state, lane.wrote, now);
    for (let i = 0; i < lane.readers; i++) this.check(shadow, field, state, lane.reads[i], now);
  }

  private check(shadow: Shadow, field: number, state: FieldState, before: Access, now: Access): void {
    if (this.order.me.covers(before.epoch)) return;
    state.racy = true;
    const { struct, fields } = shadow;
    this.race({ struct, field: fields[field], before, after: now });
  }
}
