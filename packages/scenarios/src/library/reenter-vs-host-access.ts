// SPDX-License-Identifier: GPL-2.0-only
import { AWAKE, enter, LOW_POWER_ENTER, LOW_POWER_EXIT, lowPower } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const reenterVsHostAccess = defineScenario({
  name: 'reenter-vs-host-access',
  about:
    'The guest reads, EXITs, ENTERs and EXITs again while the host wakes the device for a config read: whoever ends first, EXIT leaves it awake',
  claims: ['C35', 'C48'],
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
      // Each round the device is awake for a reason that ends, of the guest's or of the host's, while EXIT runs.
      for (let round = 0; asleep && round < 2; round++) {
        if (round > 0) lab.expect('ENTER', await lowPower(dev, LOW_POWER_ENTER), 0);
        await dev.readConfig(0, 4);
        lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      }
      if (asleep) lab.saw('EXIT ok');
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
