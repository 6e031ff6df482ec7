// SPDX-License-Identifier: GPL-2.0-only
export * from './scenario.ts';
export * from './lab.ts';
export * from './alone.ts';
export * from './run.ts';
export * from './stage.ts';
export * from './library/index.ts';
