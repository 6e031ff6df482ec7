// SPDX-License-Identifier: GPL-2.0-only
import {
  ASLEEP,
  AWAKE,
  LOW_POWER_EXIT,
  lowPower,
  openAsleep,
  PINNED,
  reentryAllowed,
  result,
} from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const GPU = '0000:01:00.0';

export const ioctlAsleep = defineScenario({
  name: 'ioctl-asleep',
  about: 'An ordinary ioctl while the device sleeps wakes it, whatever it does',
  claims: ['C18'],
  topology: 'gpu',
  setup: (lab) => openAsleep(lab, GPU),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      const allowed = await reentryAllowed(dev);
      const irqs = await dev.numIrqs();
      lab.saw(irqs > 0 ? 'GET_INFO and SET_IRQS work' : `GET_INFO ${result(irqs)}`);
      await lab.settle();
      lab.step('GET_INFO', GPU, allowed ? ASLEEP : PINNED);
      const set = await dev.setTrigger(0, await lab.user.eventfd());
      lab.expect('SET_IRQS', set, 0);
      await lab.settle();
      lab.step('SET_IRQS', GPU, allowed ? ASLEEP : PINNED);
      lab.saw(lab.look(GPU));
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.step('EXIT', GPU, AWAKE);
    },
  },
});
