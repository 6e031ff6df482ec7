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

export const configReadAsleep = defineScenario({
  name: 'config-read-asleep',
  about:
    'The guest reads config space while its device sleeps: woken like by the host, and pinned where re-entry is forbidden',
  claims: ['C23', 'C24'],
  topology: 'gpu',
  setup: (lab) => openAsleep(lab, GPU),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      const allowed = await reentryAllowed(dev);
      const id = await dev.readConfig(0, 4);
      lab.saw(id === 0x1eb810de ? 'read woke it' : `read gives ${id < 0 ? result(id) : id.toString(16)}`);
      await lab.settle();
      lab.step('config read', GPU, allowed ? ASLEEP : PINNED);
      lab.saw(lab.look(GPU));
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.step('EXIT', GPU, AWAKE);
    },
  },
});
