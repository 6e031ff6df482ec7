// SPDX-License-Identifier: GPL-2.0-only
// Times bodies against the first of them, in rounds side by side, and reports the ratios.
import { appendFileSync } from 'node:fs';
import { Bench } from 'tinybench';

export interface Body {
  name: string;
  /** Operations that one call does. */
  operations: number;
  run(): Promise<void>;
}

/** Prints a row a body; the first one is the baseline. With VFIO_LAB_BENCH_RESULTS set, also adds them to that file. */
export async function measure(title: string, bodies: readonly Body[], ms = 250): Promise<void> {
  const rounds = 3;
  const best = bodies.map(() => Infinity);
  for (let round = 0; round < rounds; round++) {
    const bench = new Bench({ time: ms, warmupTime: ms / 5, iterations: 5 });
    for (const body of bodies) bench.add(body.name, () => body.run());
    await bench.run();
    for (const [i, task] of bench.tasks.entries()) {
      const { result } = task;
      if (!('latency' in result)) throw new Error(`${bodies[i].name}: ${result.state}`);
      best[i] = Math.min(best[i], (result.latency.p50 * 1e6) / bodies[i].operations);
    }
  }
  process.stdout.write(`${title}\n`);
  for (const [i, body] of bodies.entries()) {
    const ratio = best[i] / best[0];
    process.stdout.write(
      `  ${body.name.padEnd(44)} ${time(best[i]).padStart(10)}  ${ratio.toFixed(2).padStart(9)}x\n`,
    );
    record(`${title}: ${body.name}`, ratio);
  }
}

/** Keeps a figure for `pnpm bench --save` and `--compare`: one that does not depend on how fast the machine is. */
export function record(name: string, ratio: number): void {
  const file = process.env['VFIO_LAB_BENCH_RESULTS'];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ name, ratio })}\n`);
}

function time(ns: number): string {
  return ns >= 1e6
    ? `${(ns / 1e6).toFixed(2)} ms`
    : ns >= 1e3
      ? `${(ns / 1e3).toFixed(2)} µs`
      : `${ns.toFixed(0)} ns`;
}
