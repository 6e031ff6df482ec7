// SPDX-License-Identifier: GPL-2.0-only
export * from './link.ts';
export * from './types.ts';
export * from './base.ts';
export * from './revision.ts';
export * from './touched.ts';
export * from './uapi.ts';
export * from './v3/index.ts';
export * from './v4/index.ts';
export * from './v5/index.ts';
export * from './v6/index.ts';
export * from './v7/index.ts';
export * from './whatif/index.ts';
