// SPDX-License-Identifier: GPL-2.0-only
import { enter, LOW_POWER_EXIT, lowPower } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const SLEEPER = '0000:01:00.0';
const NEIGHBOUR = '0000:02:00.0';

export const neighbourInterruptInD3cold = defineScenario({
  name: 'neighbour-interrupt-in-d3cold',
  about:
    'Two cards on one INTx line; one is in D3cold when the other interrupts: its handler must not touch the sleeping card',
  claims: ['C30'],
  topology: 'shared-intx',
  setup: async (lab) => {
    const sleeper = await lab.open(SLEEPER);
    const neighbour = await lab.open(NEIGHBOUR);
    const mine = await lab.user.eventfd();
    const others = await lab.user.eventfd();
    lab.expect('INTx of the sleeper', await sleeper.setTrigger(0, mine), 0);
    lab.expect('INTx of the neighbour', await neighbour.setTrigger(0, others), 0);
    return { sleeper, neighbour, mine, others };
  },
  programs: {
    guest: async (lab, { sleeper, neighbour, mine, others }) => {
      const slept = await enter(lab, sleeper);
      await lab.settle();
      await lab.ring(NEIGHBOUR);
      await lab.settle();
      const served = (await lab.user.eventfdRead(others)).count;
      lab.expect('interrupts of the neighbour', served, 1n);
      const wrong = (await lab.user.eventfdRead(mine)).count;
      lab.expect('interrupts of the sleeper', wrong, 0n);
      lab.saw(`interrupts: neighbour ${served}, sleeper ${wrong}`);
      if (wrong > 0n) return;
      await lab.acknowledge(neighbour);
      lab.expect('unmask', await neighbour.unmaskIrq(0), 0);
      if (slept) {
        lab.step('interrupt', SLEEPER, { count: 0, engaged: true, status: 'suspended', power: 'D3cold' });
        lab.saw(lab.look(SLEEPER));
        lab.expect('EXIT', await lowPower(sleeper, LOW_POWER_EXIT), 0);
      }
      await lab.ring(SLEEPER);
      await lab.settle();
      lab.expect('interrupts of the sleeper, awake', (await lab.user.eventfdRead(mine)).count, 1n);
      await lab.acknowledge(sleeper);
      await sleeper.unmaskIrq(0);
    },
  },
});
