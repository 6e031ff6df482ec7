// SPDX-License-Identifier: GPL-2.0-only
// Two tasks take two mutexes, each in its own order: vfio-lab explore packages/explore/examples/abba.ts
import { defineModel } from '../src/index.ts';
export const abba = defineModel('abba', (m) => {
  const a = m.mutex('a');
  const b = m.mutex('b');
  const shared = m.field('shared', 0);
  m.task('one', function* () {
    yield* a.lock();
    yield* b.lock();
    shared.set(1);
    yield* b.unlock();
    yield* a.unlock();
  });
  m.task('two', function* () {
    yield* b.lock();
    yield* a.lock();
    shared.set(2);
    yield* a.unlock();
    yield* b.unlock();
  });
});
