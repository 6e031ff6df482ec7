// SPDX-License-Identifier: GPL-2.0-only
export * from './check.ts';
export * from './new.ts';
export { SourceCache } from './modules.ts';
