// SPDX-License-Identifier: GPL-2.0-only

/** Something with a time of its own; `slot` is its place in the heap, -1 outside. */
export interface Timed {
  at: number;
  seq: number;
  slot: number;
}

/** Binary heap by (time, order of insertion), from which any element can be taken. */
export class EventHeap<T extends Timed> {
  readonly items: T[] = [];
  #seq = 0;

  /** Add, or move to a new time when it is in already. */
  push(item: T, at: number): void {
    if (item.slot >= 0) this.remove(item);
    item.at = at;
    item.seq = this.#seq++;
    this.#up(item, this.items.push(item) - 1);
  }

  pop(): T {
    const top = this.items[0];
    this.remove(top);
    return top;
  }

  remove(item: T): void {
    const { slot } = item;
    if (slot < 0) return;
    const last = this.items.pop() as T;
    item.slot = -1;
    if (last === item) return;
    this.#up(last, slot);
    if (last.slot === slot) this.#down(last, slot);
  }

  #up(item: T, from: number): void {
    const { items } = this;
    let i = from;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const above = items[up];
      if (above.at < item.at || (above.at === item.at && above.seq < item.seq)) break;
      items[i] = above;
      above.slot = i;
      i = up;
    }
    items[i] = item;
    item.slot = i;
  }

  #down(item: T, from: number): void {
    const { items } = this;
    const n = items.length;
    let i = from;
    for (;;) {
      let down = 2 * i + 1;
      if (down >= n) break;
      if (down + 1 < n && before(items[down + 1], items[down])) down++;
      const below = items[down];
      if (!before(below, item)) break;
      items[i] = below;
      below.slot = i;
      i = down;
    }
    items[i] = item;
    item.slot = i;
  }
}

function before(a: Timed, b: Timed): boolean {
  return a.at < b.at || (a.at === b.at && a.seq < b.seq);
}
