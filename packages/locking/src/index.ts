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
