// SPDX-License-Identifier: GPL-2.0-only
export * from './context.ts';
export * from './mutex.ts';
export * from './rwsem.ts';
export * from './spinlock.ts';
export * from './assert.ts';
export * from './atomic.ts';
export * from './wait.ts';
export { holds } from './observe.ts';
export * from './lockdep.ts';
export * from './lock-usage.ts';
export * from './lock-trace.ts';
export * from './lock-map.ts';
export * from './lock_stat.ts';
export { type Race } from './race/accesses.ts';
export { type Access } from './race/field.ts';
export { RaceLocks } from './race/locks.ts';
export { RaceMachine, type RaceOptions } from './race/machine.ts';
export { siteOf, type Site } from './race/site.ts';
