// SPDX-License-Identifier: GPL-2.0-only
import { enter, LOW_POWER_EXIT, lowPower } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const intxWhileSuspendedInD0 = defineScenario({
  name: 'intx-while-suspended-in-d0',
  about:
    'A device counts as suspended but is still in D0 and raises INTx: somebody must silence the line, or it fires for ever',
  claims: ['C29'],
  topology: 'no-pm',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    const eventfd = await lab.user.eventfd();
    lab.expect('INTx', await dev.setTrigger(0, eventfd), 0);
    return { dev, eventfd };
  },
  programs: {
    guest: async (lab, { dev, eventfd }) => {
      const slept = await enter(lab, dev);
      await lab.settle();
      await lab.ring(CARD);
      await lab.settle();
      const early = (await lab.user.eventfdRead(eventfd)).count;
      if (slept) {
        lab.expect('interrupts while suspended', early, 0n);
        lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
        await lab.settle();
        const late = (await lab.user.eventfdRead(eventfd)).count;
        lab.expect('interrupts after EXIT', late, 1n);
        lab.saw(`interrupts: ${early} while suspended, ${late} after EXIT`);
      } else {
        lab.expect('interrupts', early, 1n);
        lab.saw(`interrupts: ${early}`);
      }
      await lab.acknowledge(dev);
      await dev.unmaskIrq(0);
    },
  },
});
