// SPDX-License-Identifier: GPL-2.0-only
// The benchmark programs of the partial-order reduction literature.
import { type Body, defineModel, type Model } from '../src/model.ts';

/** One task writes x, n tasks read it. */
export const readers = (n: number): Model =>
  defineModel(`readers(${n})`, (m) => {
    const x = m.variable('x', 0);
    m.task('writer', () => x.write(1));
    for (let i = 0; i < n; i++) {
      m.task(`reader${i}`, function* (): Body {
        yield* x.read();
      });
    }
  });

/** Task 0 looks for the last zero from the right; task j sets array[j] = array[j-1] + 1. */
export const lastzero = (n: number): Model =>
  defineModel(`lastzero(${n})`, (m) => {
    const array = Array.from({ length: n + 1 }, (_, i) => m.variable(`array[${i}]`, 0));
    m.task('find', function* (): Body {
      let i = n;
      while ((yield* array[i].read()) !== 0) i--;
    });
    for (let j = 1; j <= n; j++) {
      m.task(`task${j}`, function* (): Body {
        const v = yield* array[j - 1].read();
        yield* array[j].write(v + 1);
      });
    }
  });

const SIZE = 128;
const MAX = 4;

/** Flanagan, Godefroid, POPL 2005, figure 1: tasks put their messages into a hash table by compare and swap. */
export const indexer = (n: number): Model =>
  defineModel(`indexer(${n})`, (m) => {
    const table = Array.from({ length: SIZE }, (_, i) => m.variable(`table[${i}]`, 0));
    for (let tid = 0; tid < n; tid++) {
      m.task(`task${tid}`, function* (): Body {
        for (let k = 1; k <= MAX; k++) {
          const w = k * 11 + tid;
          let h = (w * 7) % SIZE;
          while ((yield* table[h].update((old) => (old === 0 ? w : old))) !== 0) h = (h + 1) % SIZE;
        }
      });
    }
  });

const BLOCKS = 26;
const INODES = 32;

/** Flanagan, Godefroid, POPL 2005, figure 2: tasks allocate blocks for inodes under two kinds of locks. */
export const filesystem = (n: number): Model =>
  defineModel(`filesystem(${n})`, (m) => {
    const locki = Array.from({ length: INODES }, (_, i) => m.mutex(`locki[${i}]`));
    const inode = Array.from({ length: INODES }, (_, i) => m.variable(`inode[${i}]`, 0));
    const lockb = Array.from({ length: BLOCKS }, (_, i) => m.mutex(`lockb[${i}]`));
    const busy = Array.from({ length: BLOCKS }, (_, i) => m.variable(`busy[${i}]`, false));
    for (let tid = 0; tid < n; tid++) {
      m.task(`task${tid}`, function* (): Body {
        const i = tid % INODES;
        yield* locki[i].lock();
        if ((yield* inode[i].read()) === 0) {
          let b = (i * 2) % BLOCKS;
          for (;;) {
            yield* lockb[b].lock();
            if (!(yield* busy[b].read())) {
              yield* busy[b].write(true);
              yield* inode[i].write(b + 1);
              yield* lockb[b].unlock();
              break;
            }
            yield* lockb[b].unlock();
            b = (b + 1) % BLOCKS;
          }
        }
        yield* locki[i].unlock();
      });
    }
  });

/** Two tasks, each twice: take the lock, change a field, give the lock back. */
export const twoTaskLock = (): Model =>
  defineModel('two-task-lock', (m) => {
    const lock = m.mutex('lock');
    const field = m.field('field', 0);
    for (const name of ['a', 'b']) {
      m.task(name, function* (): Body {
        for (let k = 0; k < 2; k++) {
          yield* lock.lock();
          field.set(field.get() + 1);
          yield* lock.unlock();
        }
      });
    }
    m.check(() => `field is ${field.get()}`);
  });
