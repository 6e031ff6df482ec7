// SPDX-License-Identifier: GPL-2.0-only
export * from './types.ts';
export * from './prng.ts';
export * from './clock.ts';
export * from './task.ts';
export * from './policy.ts';
export * from './deadlock.ts';
export * from './machine.ts';
export * from './input-error.ts';
export * from './nearest.ts';
export * from './checkpoint.ts';
export * from './state.ts';
export * from './codegen.ts';
export * from './counted-map.ts';
export * from './fingerprint.ts';
