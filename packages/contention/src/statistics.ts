// SPDX-License-Identifier: GPL-2.0-only

/** A mean over replicated seeds. `half` is half the width of its 95 % confidence interval; 0 when the value is exact. */
export interface Estimate {
  mean: number;
  half: number;
}

/** Student's t for 95 %, two-sided, by degrees of freedom from 1. */
const T95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
];

/** Mean and interval of independent observations. One observation has no interval: NaN. */
export function estimate(values: readonly number[]): Estimate {
  const n = values.length;
  const mean = values.reduce((sum, v) => sum + v, 0) / n;
  if (n < 2) return { mean, half: NaN };
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (n - 1);
  return { mean, half: (T95[n - 2] ?? 1.96 + 2.4 / (n - 1)) * Math.sqrt(variance / n) };
}

/** A value that every seed gives. */
export function exactly(value: number): Estimate {
  return { mean: value, half: 0 };
}
