// SPDX-License-Identifier: GPL-2.0-only
import type { Io } from '../src/ui/io.ts';

export interface Captured extends Io {
  out: string;
  err: string;
}

/** An Io that keeps what is written to it. */
export function capture(env: Io['env'] = {}, terminal: { isTTY?: boolean; columns?: number } = {}): Captured {
  const io: Captured = {
    out: '',
    err: '',
    env,
    stdout: { ...terminal, write: (text) => (io.out += text) },
    stderr: { ...terminal, write: (text) => (io.err += text) },
  };
  return io;
}
