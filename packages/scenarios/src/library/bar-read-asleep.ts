// SPDX-License-Identifier: GPL-2.0-only
import { ASLEEP, AWAKE, LOW_POWER_EXIT, lowPower, openAsleep, result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const barReadAsleep = defineScenario({
  name: 'bar-read-asleep',
  about: 'A read() of a memory BAR while low power is engaged wakes the device, and then fails all the same',
  claims: ['C24', 'C43'],
  topology: 'shared-intx',
  setup: (lab) => openAsleep(lab, CARD),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      const engaged = await dev.read('bar0', 0, 4);
      lab.saw(`BAR read ${engaged < 0 ? result(engaged) : 'works'}`);
      await lab.settle();
      lab.step('BAR read', CARD, ASLEEP);
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.step('EXIT', CARD, AWAKE);
      const left = await dev.read('bar0', 0, 4);
      lab.expect('BAR read after EXIT', left >= 0, true);
      lab.saw(`after EXIT ${left < 0 ? result(left) : 'works'}`);
    },
  },
});
