// SPDX-License-Identifier: GPL-2.0-only
import { AWAKE, enter, LOW_POWER_EXIT, lowPower, result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const exitVsHostAccess = defineScenario({
  name: 'exit-vs-host-access',
  about: 'The guest EXITs while the host has woken the device for a config read: the end of that read must not put it to sleep again',
  claims: ['C35', 'C48'],
  topology: 'own-power',
  schedules: 20,
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    const asleep = await enter(lab, dev);
    await lab.settle();
    lab.watchSuspends(CARD);
    return { dev, asleep };
  },
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (asleep) lab.saw(`EXIT ${result(await lowPower(dev, LOW_POWER_EXIT))}`);
    },
    host: async (lab) => {
      lab.saw((await lab.lspciSees(CARD)) ? 'lspci answered' : 'lspci reads all ones');
    },
  },
  check: async (lab) => {
    lab.step('EXIT and lspci', CARD, AWAKE);
    lab.saw(lab.look(CARD));
  },
});
