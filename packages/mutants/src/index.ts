// SPDX-License-Identifier: GPL-2.0-only
export * from './assess.ts';
export * from './nursery.ts';
export type { Kill } from './battery.ts';
