// SPDX-License-Identifier: GPL-2.0-only
/**
 * A small seeded generator (32-bit state, Weyl sequence with a mixing step). Used for schedules only,
 * where speed and repeatability matter and cryptographic quality does not.
 */
export class Prng {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** Next 32 random bits, 0 .. 2^32-1. */
  next(): number {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }

  /** A number in 0 .. n-1, every one equally likely up to 2^-32. */
  below(n: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * n);
  }
}
