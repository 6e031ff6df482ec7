// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations as the search sees them: one number, the object's number and what is done to it. Two operations depend
 * on each other when they touch one object and not both only read it, or both only add to it.
 */

/** An access that reads and nothing else. */
export const READ = 0;
/** An access that may change the object. */
export const WRITE = 1;
/** Taking a lock shared or exclusively; disabled while it cannot be had. */
export const ACQUIRE_SHARED = 2;
export const ACQUIRE = 3;
/** Giving a lock up. Never disabled. */
export const RELEASE_SHARED = 4;
export const RELEASE = 5;
/** Trying for a lock: never disabled, and what comes of it is observed. */
export const TRY_SHARED = 6;
export const TRY = 7;
/** Waiting for a condition, and consuming what it waited for; disabled while it does not hold. */
export const WAIT = 9;
/** A change that tells nothing of what was there: two of them commute, with all else it is a write. */
export const ADD = 11;
/** Waiting for a condition without changing anything. */
export const AWAIT = 14;
/** Touches nothing that others see: start of a task, a yield. Depends on nothing. */
export const LOCAL = 10;
/** Waiting for a condition that nobody announces (the end of a task): ordered by what made it true, and nothing else. */
export const JOIN = 12;

const KIND_BITS = 4;
const KIND_MASK = (1 << KIND_BITS) - 1;

/** What the search calls an operation. */
export type OpCode = number;

/** The code of doing `kind` to the object with this number. */
export function opCode(kind: number, obj: number): OpCode {
  return (obj << KIND_BITS) | kind;
}

export function kindOf(op: OpCode): number {
  return op & KIND_MASK;
}

export function objOf(op: OpCode): number {
  return op >> KIND_BITS;
}

/** Does the order of the two matter? */
export function dependent(a: OpCode, b: OpCode): boolean {
  if (a >> KIND_BITS !== b >> KIND_BITS) return false;
  if (((a | b) & 1) === 0) return false;
  const ka = a & KIND_MASK;
  const kb = b & KIND_MASK;
  return ka !== LOCAL && kb !== LOCAL && ka !== JOIN && kb !== JOIN && !(ka === ADD && kb === ADD);
}

/** Takes a lock, perhaps after waiting for it. */
export function isAcquire(kind: number): boolean {
  return kind === ACQUIRE || kind === ACQUIRE_SHARED;
}

/** Waits for a condition. */
export function isWait(kind: number): boolean {
  return kind === WAIT || kind === AWAIT || kind === JOIN;
}

export function isRelease(kind: number): boolean {
  return kind === RELEASE || kind === RELEASE_SHARED;
}

export function isTry(kind: number): boolean {
  return kind === TRY || kind === TRY_SHARED;
}

const NAMES: Readonly<Record<number, string>> = {
  [READ]: 'read',
  [WRITE]: 'write',
  [ACQUIRE_SHARED]: 'lock-shared',
  [ACQUIRE]: 'lock',
  [RELEASE_SHARED]: 'unlock-shared',
  [RELEASE]: 'unlock',
  [TRY_SHARED]: 'try-shared',
  [TRY]: 'try',
  [WAIT]: 'wait',
  [ADD]: 'add',
  [AWAIT]: 'await',
  [LOCAL]: 'step',
  [JOIN]: 'join',
};

/** The word for an operation's kind. */
export function kindName(kind: number): string {
  return NAMES[kind] ?? `kind ${kind}`;
}
