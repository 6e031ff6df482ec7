// SPDX-License-Identifier: GPL-2.0-only
export * from './base.ts';
export * from './link.ts';
