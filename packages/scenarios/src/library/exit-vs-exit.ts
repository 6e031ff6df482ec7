// SPDX-License-Identifier: GPL-2.0-only
import { enterAlone, exitAlone, keepPortAwake, readyToEnter } from '../alone.ts';
import { result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const exitVsExit = defineScenario({
  name: 'exit-vs-exit',
  about: 'Two threads EXIT at once: the reference of the open file is taken back once',
  claims: ['C48'],
  topology: 'own-power',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    await keepPortAwake(lab, CARD);
    const asleep = (await readyToEnter(lab, dev)) && (await enterAlone(lab, dev));
    await lab.settle();
    return { dev, asleep };
  },
  programs: {
    one: async (lab, { dev, asleep }) => {
      if (asleep) lab.saw(`EXIT ${result(await exitAlone(lab, dev))}`);
    },
    other: async (lab, { dev, asleep }) => {
      if (asleep) lab.saw(`EXIT ${result(await exitAlone(lab, dev))}`);
    },
  },
  check: async (lab) => {
    lab.saw(`${lab.look(CARD)}, count ${lab.state(CARD).count}`);
  },
});
