// SPDX-License-Identifier: GPL-2.0-only
import { enterAlone, exitAlone, keepPortAwake, readyToEnter } from '../alone.ts';
import { result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const exitVsHostWake = defineScenario({
  name: 'exit-vs-host-wake',
  about:
    'The guest EXITs while the host reads a register of the sleeping device, which wakes it: the smallest race for a device that falls asleep after EXIT',
  claims: ['C35', 'C36'],
  topology: 'own-power',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    await keepPortAwake(lab, CARD);
    const asleep = (await readyToEnter(lab, dev)) && (await enterAlone(lab, dev));
    await lab.settle();
    lab.watchSuspends(CARD);
    return { dev, asleep };
  },
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (asleep) lab.saw(`EXIT ${result(await exitAlone(lab, dev))}`);
    },
    host: async (lab) => {
      lab.saw((await lab.lspciSees(CARD)) ? 'lspci answered' : 'lspci reads all ones');
    },
  },
  check: async (lab) => {
    lab.saw(lab.look(CARD));
  },
});
