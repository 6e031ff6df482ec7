// SPDX-License-Identifier: GPL-2.0-only
import { enter, LOW_POWER_EXIT, lowPower } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const noPmCapability = defineScenario({
  name: 'no-pm-capability',
  about:
    'A device without a PM capability: ENTER succeeds, runtime PM counts it as suspended, and it never leaves D0',
  claims: ['C8', 'C47'],
  topology: 'no-pm',
  setup: async (lab) => ({ dev: await lab.open(CARD) }),
  programs: {
    guest: async (lab, { dev }) => {
      if (!(await enter(lab, dev))) return;
      await lab.settle();
      lab.step('ENTER', CARD, { count: 0, engaged: true, resumed: false, status: 'suspended' });
      lab.saw(lab.look(CARD));
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.step('EXIT', CARD, { count: 1, engaged: false, status: 'active', power: 'D0' });
      lab.expect('BAR read', (await dev.read('bar0', 0, 4)) >= 0, true);
    },
  },
});
