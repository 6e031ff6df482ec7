// SPDX-License-Identifier: GPL-2.0-only
import { EINVAL, ENOTTY } from '@vfio-lab/kernel';
import { AWAKE, LOW_POWER_EXIT, lowPower, result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const exitWithoutEnter = defineScenario({
  name: 'exit-without-enter',
  about: 'EXIT of a device that has not entered low power fails and changes nothing',
  claims: ['C48'],
  topology: 'shared-intx',
  setup: async (lab) => ({ dev: await lab.open(CARD) }),
  programs: {
    guest: async (lab, { dev }) => {
      const ret = await lowPower(dev, LOW_POWER_EXIT);
      if (ret !== -ENOTTY) lab.expect('EXIT', ret, -EINVAL);
      lab.step('EXIT', CARD, AWAKE);
      lab.saw(`EXIT ${result(ret)}`);
    },
  },
});
