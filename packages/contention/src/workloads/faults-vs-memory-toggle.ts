// SPDX-License-Identifier: GPL-2.0-only
import { defineWorkload } from '../workload.ts';

const GPU = '0000:01:00.0';
const COMMAND = 4;
const PAGES = 16;

export const faultsVsMemoryToggle = defineWorkload({
  name: 'faults-vs-memory-toggle',
  about:
    'threads load from a mapped BAR while one switches memory decoding off and on: each switch takes all mappings away',
  topology: 'gpu',
  arrival: { model: 'closed', think: 20_000, distribution: 'exponential' },
  requests: (tasks) => Math.max(1500, 40 * tasks),
  setup: async (bench) => {
    const dev = await bench.open(GPU);
    return { dev, addr: await dev.mmap('bar1', PAGES * 4096) };
  },
  request: async (bench, { dev, addr }, client) => {
    if (client.index === 0) {
      await bench.call('pwrite config command', () =>
        dev.writeConfig(COMMAND, 2, client.done % 2 === 0 ? 4 : 6),
      );
      return;
    }
    const { engine } = bench;
    const since = engine?.now ?? 0;
    const page = (client.index + client.done) % PAGES;
    const got = await bench.user.load(addr + 4096 * page, 4);
    if (engine !== null) bench.note('signal' in got ? 'load (SIGBUS)' : 'load', engine.now - since);
  },
});
