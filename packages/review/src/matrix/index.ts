// SPDX-License-Identifier: GPL-2.0-only
export * from './table9.ts';
export * from './errno.ts';
export * from './uapi.ts';
export * from './lock-graph.ts';
