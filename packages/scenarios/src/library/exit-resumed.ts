// SPDX-License-Identifier: GPL-2.0-only
import {
  AWAKE,
  LOW_POWER_EXIT,
  LOW_POWER_REENTERY_DISABLE,
  lowPower,
  openAsleep,
  PINNED,
  result,
} from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const exitResumed = defineScenario({
  name: 'exit-resumed',
  about:
    'EXIT after a wake by the host has pinned the device: the reference of the pin becomes the reference of the open file',
  claims: ['C38'],
  topology: 'shared-intx',
  setup: (lab) => openAsleep(lab, CARD, LOW_POWER_REENTERY_DISABLE),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      await lab.lspci(CARD);
      await lab.settle();
      lab.step('lspci', CARD, PINNED);
      lab.saw(`EXIT ${result(await lowPower(dev, LOW_POWER_EXIT))}`);
      lab.step('EXIT', CARD, AWAKE);
      lab.expect('second EXIT', await lowPower(dev, LOW_POWER_EXIT), -22);
      lab.step('second EXIT', CARD, AWAKE);
      await lab.settle();
      lab.step('some time after EXIT', CARD, AWAKE);
      lab.saw(lab.look(CARD));
    },
  },
});
