// SPDX-License-Identifier: GPL-2.0-only
import { AWAKE, ASLEEP, enter } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const GPU = '0000:01:00.0';

export const lowPowerEnter = defineScenario({
  name: 'low-power-enter',
  about: 'ENTER gives up the last reference; the device suspends by itself and reaches D3cold',
  claims: ['C9'],
  topology: 'gpu',
  setup: async (lab) => {
    const dev = await lab.open(GPU);
    lab.step('open', GPU, AWAKE);
    return { dev };
  },
  programs: {
    guest: async (lab, { dev }) => {
      if (!(await enter(lab, dev))) return;
      lab.step('ENTER', GPU, { count: 0, engaged: true, resumed: false });
      await lab.settle();
      lab.step('some time after ENTER', GPU, ASLEEP);
      lab.saw(lab.look(GPU));
    },
  },
});
