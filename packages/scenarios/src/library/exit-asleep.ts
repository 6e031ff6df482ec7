// SPDX-License-Identifier: GPL-2.0-only
import { AWAKE, LOW_POWER_EXIT, lowPower, openAsleep, pmeStatus, result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const GPU = '0000:01:00.0';

export const exitAsleep = defineScenario({
  name: 'exit-asleep',
  about:
    'EXIT while the device sleeps: it is awake and its reference is back before EXIT returns, and no PME is raised',
  claims: ['C36', 'C46'],
  topology: 'gpu',
  setup: (lab) => openAsleep(lab, GPU),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      lab.saw(`EXIT ${result(await lowPower(dev, LOW_POWER_EXIT))}`);
      lab.step('EXIT', GPU, AWAKE);
      lab.expect('PME_Status', await pmeStatus(dev), false);
      await lab.settle();
      lab.step('some time after EXIT', GPU, AWAKE);
      lab.saw(lab.look(GPU));
    },
  },
});
