// SPDX-License-Identifier: GPL-2.0-only
import { AWAKE, UNUSED } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const openAndClose = defineScenario({
  name: 'open-and-close',
  about: 'An open device holds one reference and stays awake; closed, it holds none and goes to sleep',
  topology: 'shared-intx',
  setup: async (lab) => {
    await lab.bind(CARD);
    lab.step('bound', CARD, { ...UNUSED, power: 'D3cold' });
  },
  programs: {
    guest: async (lab) => {
      const dev = await lab.open(CARD);
      lab.step('open', CARD, AWAKE);
      await lab.settle();
      lab.step('some time after open', CARD, AWAKE);
      lab.saw(`open: ${lab.look(CARD)}`);
      await dev.close();
      lab.step('close', CARD, { count: 0, engaged: false });
      await lab.settle();
      lab.step('some time after close', CARD, { ...UNUSED, power: 'D3cold' });
      lab.saw(`closed: ${lab.look(CARD)}`);
    },
  },
});
