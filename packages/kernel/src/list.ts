// SPDX-License-Identifier: GPL-2.0-only
/*
 * include/linux/list.h: intrusive doubly linked lists, with the checks of CONFIG_DEBUG_LIST.
 *
 * `owner` stands for container_of: the struct a node is embedded in, null in a list head.
 */
import { Oops, report } from '@vfio-lab/sim';

export class list_head<T = unknown> {
  next: list_head<T>;
  prev: list_head<T>;
  readonly owner: T | null;

  constructor(owner: T | null = null) {
    this.next = this;
    this.prev = this;
    this.owner = owner;
  }
}

/** What a deleted node points to. */
export const LIST_POISON1: list_head<never> = Object.freeze(new list_head<never>());
export const LIST_POISON2: list_head<never> = Object.freeze(new list_head<never>());

function poisoned(node: list_head<never>): boolean {
  return node === LIST_POISON1 || node === LIST_POISON2;
}

function corrupted(text: string): false {
  report('list-corruption', text);
  return false;
}

function add_valid<T>(node: list_head<T>, prev: list_head<T>, next: list_head<T>): boolean {
  if (poisoned(prev as list_head<never>) || poisoned(next as list_head<never>)) {
    return corrupted('list_add beside a node that was deleted');
  }
  if (next.prev !== prev || prev.next !== next)
    return corrupted('list_add between nodes that are not neighbours');
  if (node === prev || node === next) return corrupted('list_add double add');
  return true;
}

function del_valid<T>(node: list_head<T>): boolean {
  if (poisoned(node.next as list_head<never>)) return corrupted('list_del of a node that was deleted');
  if (node.prev.next !== node || node.next.prev !== node)
    return corrupted('list_del of a node its neighbours do not know');
  return true;
}

function insert<T>(node: list_head<T>, prev: list_head<T>, next: list_head<T>): void {
  if (!add_valid(node, prev, next)) return;
  next.prev = node;
  node.next = next;
  node.prev = prev;
  prev.next = node;
}

/** Make the list empty. C: include/linux/list.h INIT_LIST_HEAD() */
export function INIT_LIST_HEAD<T>(head: list_head<T>): void {
  head.next = head;
  head.prev = head;
}

/** Insert at the front. C: include/linux/list.h list_add() */
export function list_add<T>(node: list_head<T>, head: list_head<T>): void {
  insert(node, head, head.next);
}

/** Insert at the end. C: include/linux/list.h list_add_tail() */
export function list_add_tail<T>(node: list_head<T>, head: list_head<T>): void {
  insert(node, head.prev, head);
}

/** Unlink and poison. C: include/linux/list.h list_del() */
export function list_del<T>(node: list_head<T>): void {
  if (!del_valid(node)) return;
  node.next.prev = node.prev;
  node.prev.next = node.next;
  node.next = LIST_POISON1 as list_head<T>;
  node.prev = LIST_POISON2 as list_head<T>;
}

/** Unlink and make self-empty. C: include/linux/list.h list_del_init() */
export function list_del_init<T>(node: list_head<T>): void {
  if (!del_valid(node)) return;
  node.next.prev = node.prev;
  node.prev.next = node.next;
  INIT_LIST_HEAD(node);
}

/** C: include/linux/list.h list_move_tail() */
export function list_move_tail<T>(node: list_head<T>, head: list_head<T>): void {
  list_del_init(node);
  list_add_tail(node, head);
}

/** C: include/linux/list.h list_empty() */
export function list_empty(head: list_head<never> | list_head): boolean {
  return head.next === head;
}

/** C: include/linux/list.h list_is_singular() */
export function list_is_singular<T>(head: list_head<T>): boolean {
  return head.next !== head && head.next === head.prev;
}

/** The struct of a node. In C a wild pointer where there is none; here an Oops. */
export function list_entry<T>(node: list_head<T>): T {
  if (node.owner === null) {
    throw new Oops(
      poisoned(node as list_head<never>)
        ? 'a list walk went on from a deleted node'
        : 'a list head was used as an entry',
    );
  }
  return node.owner;
}

/** The list must not be empty. C: include/linux/list.h list_first_entry() */
export function list_first_entry<T>(head: list_head<T>): T {
  return list_entry(head.next);
}

/** C: include/linux/list.h list_first_entry_or_null() */
export function list_first_entry_or_null<T>(head: list_head<T>): T | null {
  return head.next === head ? null : list_entry(head.next);
}

/** The list must not be empty. C: include/linux/list.h list_last_entry() */
export function list_last_entry<T>(head: list_head<T>): T {
  return list_entry(head.prev);
}

/**
 * Walks by the links that are there at each step, like the C loop: deleting the current entry ends in an
 * Oops.
 */
class Walk<T> implements IterableIterator<T> {
  private readonly _head: list_head<T>;
  private readonly back: boolean;
  private pos: list_head<T>;

  constructor(head: list_head<T>, pos: list_head<T>, back: boolean) {
    this._head = head;
    this.pos = pos;
    this.back = back;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<T> {
    const pos = (this.pos = this.back ? this.pos.prev : this.pos.next);
    if (pos === this._head) return { done: true, value: undefined };
    return { done: false, value: list_entry(pos) };
  }
}

class SafeWalk<T> implements IterableIterator<T> {
  private readonly _head: list_head<T>;
  private _next: list_head<T>;

  constructor(head: list_head<T>) {
    this._head = head;
    this._next = head.next;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<T> {
    const pos = this._next;
    if (pos === this._head) return { done: true, value: undefined };
    this._next = pos.next;
    return { done: false, value: list_entry(pos) };
  }
}

/** Walk forward. C: include/linux/list.h list_for_each_entry() */
export function list_for_each_entry<T>(head: list_head<T>): IterableIterator<T> {
  return new Walk(head, head, false);
}

/**
 * Walk forward tolerating removal of the current entry.
 * C: include/linux/list.h list_for_each_entry_safe()
 */
export function list_for_each_entry_safe<T>(head: list_head<T>): IterableIterator<T> {
  return new SafeWalk(head);
}

/** Walk backward. C: include/linux/list.h list_for_each_entry_reverse() */
export function list_for_each_entry_reverse<T>(head: list_head<T>): IterableIterator<T> {
  return new Walk(head, head, true);
}

/**
 * Walk backward from the entry before `node` (an unwind). Give the head itself for a walk that had ended.
 * C: include/linux/list.h list_for_each_entry_continue_reverse()
 */
export function list_for_each_entry_continue_reverse<T>(
  node: list_head<T>,
  head: list_head<T>,
): IterableIterator<T> {
  return new Walk(head, node, true);
}
