// SPDX-License-Identifier: GPL-2.0-only
import { ENOTTY } from '@vfio-lab/kernel';
import {
  AWAKE,
  LOW_POWER_ENTER,
  LOW_POWER_EXIT,
  LOW_POWER_REENTERY_DISABLE,
  lowPower,
  result,
} from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

/** Flags that no revision takes. */
const BAD: Readonly<Record<string, number>> = {
  none: 0,
  'ENTER+EXIT': LOW_POWER_ENTER | LOW_POWER_EXIT,
  'EXIT+REENTERY_DISABLE': LOW_POWER_EXIT | LOW_POWER_REENTERY_DISABLE,
  'REENTERY_DISABLE alone': LOW_POWER_REENTERY_DISABLE,
  unknown: 1 << 3,
};

export const enterWithBadFlags = defineScenario({
  name: 'enter-with-bad-flags',
  about: 'Flags that make no sense are refused with EINVAL, and the device stays as it is',
  claims: ['C14', 'C48'],
  topology: 'shared-intx',
  setup: async (lab) => ({ dev: await lab.open(CARD) }),
  programs: {
    guest: async (lab, { dev }) => {
      const results = new Set<string>();
      for (const [name, flags] of Object.entries(BAD)) {
        const ret = await lowPower(dev, flags);
        if (ret !== -ENOTTY) lab.expect(`flags ${name}`, result(ret), 'EINVAL');
        lab.step(`flags ${name}`, CARD, AWAKE);
        results.add(result(ret));
      }
      lab.saw([...results].join(' or '));
    },
  },
});
