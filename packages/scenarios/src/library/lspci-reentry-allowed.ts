// SPDX-License-Identifier: GPL-2.0-only
import { AWAKE, ASLEEP, LOW_POWER_EXIT, lowPower, openAsleep, pmeIndex, pmeStatus } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const lspciReentryAllowed = defineScenario({
  name: 'lspci-reentry-allowed',
  about:
    'The host reads config space of a sleeping device: it wakes, answers, and goes back to sleep by itself',
  claims: ['C33', 'C46'],
  topology: 'shared-intx',
  setup: (lab) => openAsleep(lab, CARD),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      lab.saw((await lab.lspciSees(CARD)) ? 'lspci woke it' : 'lspci reads all ones');
      lab.step('lspci', CARD, { count: 0, engaged: true, resumed: false });
      await lab.settle();
      lab.step('some time after lspci', CARD, ASLEEP);
      lab.saw(lab.look(CARD));
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.step('EXIT', CARD, AWAKE);
      const told = await pmeStatus(dev);
      lab.expect('PME_Status after a wake by the host', told, (await pmeIndex(dev)) >= 0);
      lab.saw(`PME_Status ${told ? 1 : 0}`);
    },
  },
});
