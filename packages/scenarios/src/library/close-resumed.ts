// SPDX-License-Identifier: GPL-2.0-only
import { openAsleep, PINNED, reentryAllowed, UNUSED } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const GPU = '0000:01:00.0';

export const closeResumed = defineScenario({
  name: 'close-resumed',
  about: 'Close after a wake by the host has pinned the device: the pin goes with the file',
  claims: ['C48'],
  topology: 'gpu',
  setup: (lab) => openAsleep(lab, GPU),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      const allowed = await reentryAllowed(dev);
      await lab.lspci(GPU);
      await lab.settle();
      if (!allowed) lab.step('lspci', GPU, PINNED);
      lab.saw(lab.look(GPU));
      await dev.close();
      lab.step('close', GPU, { count: 0, engaged: false, resumed: false });
      await lab.settle();
      lab.step('some time after close', GPU, { ...UNUSED, power: 'D3cold' });
      lab.saw(`closed: ${lab.look(GPU)}`);
    },
  },
});
