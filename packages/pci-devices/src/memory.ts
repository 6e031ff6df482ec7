// SPDX-License-Identifier: GPL-2.0-only
// Memory behind a BAR, kept by page so that a BAR of gigabytes costs what is used of it.

import type { int, u32 } from '@vfio-lab/sim';
import { read_le, write_le } from './regs.ts';

const PAGE = 4096;

/** Bytes that read 0 until written. Accesses are naturally aligned, so none crosses a page. */
export class sparse_memory {
  private readonly pages = new Map<int, Uint8Array>();

  read(off: int, size: int): u32 {
    const page = this.pages.get(Math.floor(off / PAGE));
    return page ? read_le(page, off % PAGE, size) : 0;
  }

  write(off: int, size: int, val: u32): void {
    const index = Math.floor(off / PAGE);
    let page = this.pages.get(index);
    if (!page) {
      page = new Uint8Array(PAGE);
      this.pages.set(index, page);
    }
    write_le(page, off % PAGE, size, val);
  }

  /** Everything reads 0 again. */
  clear(): void {
    this.pages.clear();
  }
}
