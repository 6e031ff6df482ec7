// SPDX-License-Identifier: GPL-2.0-only
import { AWAKE, enter, LOW_POWER_EXIT, lowPower } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const exitVsHostAccess = defineScenario({
  name: 'exit-vs-host-access',
  about:
    'The guest EXITs while the host has woken the device for a config read: the end of that read must not put it to sleep again',
  claims: ['C35', 'C36', 'C48'],
  topology: 'own-power',
  schedules: 12,
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    const asleep = await enter(lab, dev);
    await lab.settle();
    lab.watchSuspends(CARD);
    return { dev, asleep };
  },
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.saw('EXIT ok');
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
