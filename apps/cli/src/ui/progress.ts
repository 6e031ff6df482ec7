// SPDX-License-Identifier: GPL-2.0-only
import type { Io } from './io.ts';
import { cut } from './text.ts';

export interface Progress {
  /** Says how far it is (of Infinity: only how much is done); at most ten times a second, and only on a terminal. */
  update(done: number, total: number, what?: string): void;
  /** Takes the line away again. */
  end(): void;
}

/** A line on standard error that says what is going on. */
export function progress(io: Io, label: string): Progress {
  if (!io.stderr.isTTY) return { update: () => undefined, end: () => undefined };
  let next = 0;
  return {
    update(done, total, what = '') {
      const now = performance.now();
      if (now < next && done < total) return;
      next = now + 100;
      const text = `${label} ${done}${Number.isFinite(total) ? `/${total}` : ''} ${what}`.trimEnd();
      io.stderr.write(`\r\u001b[K${cut(text, (io.stderr.columns ?? 80) - 1)}`);
    },
    end() {
      if (next > 0) io.stderr.write('\r\u001b[K');
    },
  };
}
