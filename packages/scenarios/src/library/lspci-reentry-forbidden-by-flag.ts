// SPDX-License-Identifier: GPL-2.0-only
import {
  ASLEEP,
  AWAKE,
  enter,
  LOW_POWER_ENTER,
  LOW_POWER_EXIT,
  LOW_POWER_REENTERY_DISABLE,
  lowPower,
  openAsleep,
  PINNED,
} from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const lspciReentryForbiddenByFlag = defineScenario({
  name: 'lspci-reentry-forbidden-by-flag',
  about:
    'ENTER with REENTERY_DISABLE: after a wake by the host the device stays awake; the next ENTER decides anew',
  claims: ['C7', 'C33'],
  topology: 'shared-intx',
  setup: (lab) => openAsleep(lab, CARD, LOW_POWER_REENTERY_DISABLE),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      lab.saw((await lab.lspciSees(CARD)) ? 'lspci woke it' : 'lspci reads all ones');
      await lab.settle();
      lab.step('lspci', CARD, PINNED);
      lab.saw(lab.look(CARD));
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.step('EXIT', CARD, AWAKE);
      if (!(await enter(lab, dev))) return;
      await lab.settle();
      lab.step(`ENTER with flags ${LOW_POWER_ENTER}`, CARD, ASLEEP);
      await lab.lspci(CARD);
      await lab.settle();
      lab.step('lspci after ENTER without the flag', CARD, ASLEEP);
      lab.saw(`without the flag: ${lab.look(CARD)}`);
    },
  },
});
