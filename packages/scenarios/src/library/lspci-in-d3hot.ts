// SPDX-License-Identifier: GPL-2.0-only
import { enter, LOW_POWER_EXIT, lowPower, PINNED } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const NIC = '0000:01:00.0';
const ASLEEP_IN_D3HOT = { count: 0, engaged: true, status: 'suspended', power: 'D3hot' } as const;

export const lspciInD3hot = defineScenario({
  name: 'lspci-in-d3hot',
  about:
    'Where the platform cannot cut power the device sleeps in D3hot: config space answers there, so lspci wakes nothing',
  claims: ['C27', 'C47'],
  topology: 'nosoftrst',
  setup: async (lab) => ({ dev: await lab.open(NIC) }),
  programs: {
    guest: async (lab, { dev }) => {
      if (!(await enter(lab, dev))) return;
      await lab.settle();
      lab.step('ENTER', NIC, ASLEEP_IN_D3HOT);
      const sees = await lab.lspciSees(NIC);
      lab.step('lspci', NIC, { ...ASLEEP_IN_D3HOT, resumed: !PINNED.resumed });
      lab.saw(`lspci ${sees ? 'answered' : 'reads all ones'}, ${lab.look(NIC)}`);
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.step('EXIT', NIC, { count: 1, engaged: false, status: 'active', power: 'D0' });
    },
  },
});
