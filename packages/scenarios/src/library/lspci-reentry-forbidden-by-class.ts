// SPDX-License-Identifier: GPL-2.0-only
import { ASLEEP, AWAKE, LOW_POWER_EXIT, lowPower, openAsleep, PINNED, reentryAllowed } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const GPU = '0000:01:00.0';

export const lspciReentryForbiddenByClass = defineScenario({
  name: 'lspci-reentry-forbidden-by-class',
  about:
    'The host wakes an NVIDIA display device, whose memory needs the guest driver to survive D3cold: it must stay awake',
  claims: ['C7', 'C33'],
  topology: 'gpu',
  setup: (lab) => openAsleep(lab, GPU),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      const allowed = await reentryAllowed(dev);
      lab.saw((await lab.lspciSees(GPU)) ? 'lspci woke it' : 'lspci reads all ones');
      await lab.settle();
      lab.step('lspci', GPU, allowed ? ASLEEP : PINNED);
      lab.saw(lab.look(GPU));
      if (!allowed) {
        await lab.lspci(GPU);
        await lab.settle();
        lab.step('second lspci', GPU, PINNED);
      }
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.step('EXIT', GPU, AWAKE);
    },
  },
});
