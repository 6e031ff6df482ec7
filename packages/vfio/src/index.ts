// SPDX-License-Identifier: GPL-2.0-only
/* One namespace a C file: what link() of @vfio-lab/series takes. */
export * as vfio from './vfio.ts';
export * as virqfd from './virqfd.ts';
