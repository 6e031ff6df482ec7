// SPDX-License-Identifier: GPL-2.0-only
import { enterAlone, readyToEnter } from '../alone.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const intxVsLowPowerEntry = defineScenario({
  name: 'intx-vs-low-power-entry',
  about:
    'A device that stays in D0 raises INTx while its guest ENTERs: whenever it comes, somebody silences the line',
  claims: ['C29'],
  topology: 'no-pm',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    lab.expect('INTx', await dev.setTrigger(0, await lab.user.eventfd()), 0);
    return { dev, ready: await readyToEnter(lab, dev) };
  },
  programs: {
    device: async (lab, { ready }) => {
      if (ready) await lab.ring(CARD);
    },
    guest: async (lab, { dev, ready }) => {
      if (ready && (await enterAlone(lab, dev))) lab.saw('entered');
    },
  },
  check: async (lab, { dev }) => {
    lab.saw(lab.look(CARD));
    await lab.acknowledge(dev);
  },
});
