// SPDX-License-Identifier: GPL-2.0-only
import { openAsleep, UNUSED } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const GPU = '0000:01:00.0';

export const closeAsleep = defineScenario({
  name: 'close-asleep',
  about:
    'Close while the device sleeps: woken to be put in order, then unused and asleep again, with no reference left',
  claims: ['C52'],
  topology: 'gpu',
  setup: (lab) => openAsleep(lab, GPU),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      await dev.close();
      lab.step('close', GPU, { count: 0, engaged: false, resumed: false });
      await lab.settle();
      lab.step('some time after close', GPU, { ...UNUSED, power: 'D3cold' });
      lab.saw(`closed: ${lab.look(GPU)}`);
      const again = await lab.open(GPU);
      lab.step('open again', GPU, {
        count: 1,
        engaged: false,
        resumed: false,
        status: 'active',
        power: 'D0',
      });
      lab.expect('GET_INFO', (await again.numIrqs()) > 0, true);
      lab.saw(`opened again: ${lab.look(GPU)}`);
    },
  },
});
