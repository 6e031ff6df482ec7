// SPDX-License-Identifier: GPL-2.0-only
import { enterAlone, readyToEnter } from '../alone.ts';
import { defineScenario } from '../scenario.ts';

const SLEEPER = '0000:01:00.0';
const NEIGHBOUR = '0000:02:00.0';

export const neighbourInterruptVsLowPowerEntry = defineScenario({
  name: 'neighbour-interrupt-vs-low-power-entry',
  about:
    'A card interrupts on a shared line while the guest of the other one ENTERs: the handler never reads a card that is off',
  claims: ['C30'],
  topology: 'shared-intx',
  setup: async (lab) => {
    const sleeper = await lab.open(SLEEPER);
    const neighbour = await lab.open(NEIGHBOUR);
    lab.expect('INTx of the sleeper', await sleeper.setTrigger(0, await lab.user.eventfd()), 0);
    lab.expect('INTx of the neighbour', await neighbour.setTrigger(0, await lab.user.eventfd()), 0);
    return { sleeper, neighbour, ready: await readyToEnter(lab, sleeper) };
  },
  programs: {
    device: async (lab, { ready }) => {
      if (ready) await lab.ring(NEIGHBOUR);
    },
    guest: async (lab, { sleeper, ready }) => {
      if (ready && (await enterAlone(lab, sleeper))) lab.saw('entered');
    },
  },
  check: async (lab, { neighbour }) => {
    lab.saw(lab.look(SLEEPER));
    await lab.acknowledge(neighbour);
  },
});
