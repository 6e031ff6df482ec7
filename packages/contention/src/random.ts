// SPDX-License-Identifier: GPL-2.0-only
import { Prng } from '@vfio-lab/sim';

/** Random durations in whole virtual ns. One generator a stream, so that streams do not disturb each other. */
export class Stream {
  readonly #prng: Prng;

  /** @param seed of the run; `stream` tells the streams of a run apart */
  constructor(seed: number, stream: number) {
    // The generator steps by a constant, so neighbouring seeds would give shifted copies: mix first.
    const mixed = new Prng((seed ^ Math.imul(stream + 1, 0x9e3779b1)) >>> 0);
    this.#prng = new Prng((mixed.next() ^ Math.imul(stream + 1, 0x85ebca6b)) >>> 0);
  }

  /** In (0, 1), 53 bits. */
  uniform(): number {
    const high = this.#prng.next() >>> 5;
    const low = this.#prng.next() >>> 6;
    return (high * 0x400_0000 + low + 0.5) / 0x20_0000_0000_0000;
  }

  /** Exponentially distributed with this mean, rounded to ns. */
  exponential(mean: number): number {
    // V8 computes log() in software, to the same bits everywhere.
    return Math.round(-mean * Math.log(this.uniform()));
  }

  /** 0 .. n-1 */
  below(n: number): number {
    return this.#prng.below(n);
  }
}
