// SPDX-License-Identifier: GPL-2.0-only
import { EINVAL } from '@vfio-lab/kernel';
import { ASLEEP, LOW_POWER_ENTER, lowPower, openAsleep, PINNED, reentryAllowed, result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const GPU = '0000:01:00.0';

export const enterTwice = defineScenario({
  name: 'enter-twice',
  about: 'A second ENTER fails and changes nothing, also after a wake by the host has pinned the device',
  claims: ['C48', 'C50'],
  topology: 'gpu',
  setup: (lab) => openAsleep(lab, GPU),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      const again = await lowPower(dev, LOW_POWER_ENTER);
      lab.expect('second ENTER', again, -EINVAL);
      lab.step('second ENTER', GPU, ASLEEP);
      lab.saw(`second ENTER ${result(again)}`);
      if (await reentryAllowed(dev)) return;
      await lab.lspci(GPU);
      await lab.settle();
      const pinned = await lowPower(dev, LOW_POWER_ENTER);
      lab.expect('ENTER of a pinned device', pinned, -EINVAL);
      lab.step('ENTER of a pinned device', GPU, PINNED);
      await lab.settle();
      lab.step('some time after that', GPU, PINNED);
      lab.saw(`when pinned ${result(pinned)}`);
    },
  },
});
