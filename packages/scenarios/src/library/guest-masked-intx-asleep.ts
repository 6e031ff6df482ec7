// SPDX-License-Identifier: GPL-2.0-only
import { enter, LOW_POWER_EXIT, lowPower } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const guestMaskedIntxAsleep = defineScenario({
  name: 'guest-masked-intx-asleep',
  about:
    'INTx that the guest has masked before ENTER stays masked through sleep and EXIT, until the guest unmasks it',
  claims: ['C28', 'C30'],
  topology: 'shared-intx',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    const eventfd = await lab.user.eventfd();
    lab.expect('INTx', await dev.setTrigger(0, eventfd), 0);
    lab.expect('mask', await dev.maskIrq(0), 0);
    return { dev, eventfd };
  },
  programs: {
    guest: async (lab, { dev, eventfd }) => {
      if (await enter(lab, dev)) {
        await lab.settle();
        lab.expect('pm_intx_masked', lab.field(CARD, 'pm_intx_masked'), false);
        lab.step('ENTER', CARD, { count: 0, engaged: true, status: 'suspended', power: 'D3cold' });
        lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      }
      await lab.ring(CARD);
      await lab.settle();
      const masked = (await lab.user.eventfdRead(eventfd)).count;
      lab.expect('interrupts while masked', masked, 0n);
      lab.expect('unmask', await dev.unmaskIrq(0), 0);
      await lab.settle();
      const unmasked = (await lab.user.eventfdRead(eventfd)).count;
      lab.expect('interrupts after unmask', unmasked, 1n);
      lab.saw(`interrupts: ${masked} while masked, ${unmasked} after unmask`);
      await lab.acknowledge(dev);
      await dev.unmaskIrq(0);
    },
  },
});
