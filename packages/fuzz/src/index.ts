// SPDX-License-Identifier: GPL-2.0-only
export * from './program.ts';
export * from './operations.ts';
export * from './devices.ts';
export * from './generate.ts';
export * from './program-scenario.ts';
export * from './subject.ts';
export * from './cause.ts';
export * from './known.ts';
export * from './known-races.ts';
export * from './shrink.ts';
export * from './job.ts';
export * from './fuzz.ts';
export * from './saved.ts';
