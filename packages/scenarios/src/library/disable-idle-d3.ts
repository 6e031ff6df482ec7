// SPDX-License-Identifier: GPL-2.0-only
import { AWAKE, enter, LOW_POWER_EXIT, lowPower } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const disableIdleD3 = defineScenario({
  name: 'disable-idle-d3',
  about: 'With disable_idle_d3 an unused device stays awake, and ENTER lets a used one sleep all the same',
  topology: 'shared-intx',
  options: 'disable_idle_d3=1',
  setup: async (lab) => {
    await lab.bind(CARD);
    lab.step('bound', CARD, { count: 1, engaged: false, status: 'active', power: 'D0' });
    const dev = await lab.open(CARD);
    lab.step('open', CARD, AWAKE);
    lab.saw(`unused: ${lab.look(CARD)}`);
    return { dev };
  },
  programs: {
    guest: async (lab, { dev }) => {
      if (!(await enter(lab, dev))) return;
      await lab.settle();
      lab.step('ENTER', CARD, {
        count: 0,
        engaged: true,
        resumed: false,
        status: 'suspended',
        power: 'D3cold',
      });
      lab.saw(`ENTER: ${lab.look(CARD)}`);
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.step('EXIT', CARD, AWAKE);
    },
  },
});
