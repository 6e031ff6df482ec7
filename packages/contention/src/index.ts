// SPDX-License-Identifier: GPL-2.0-only
export * from './costs.ts';
export * from './engine/engine.ts';
export * from './engine/gate.ts';
export * from './engine/simulate.ts';
export * from './engine/theory.ts';
export * from './random.ts';
export * from './result.ts';
export * from './run.ts';
export * from './stat.ts';
export * from './workload.ts';
export * from './workloads/index.ts';
export * from './report/lock-stat.ts';
export * from './report/perf.ts';
export * from './statistics.ts';
export * from './sweep.ts';
export * from './report/html.ts';
export * from './report/plots.ts';
