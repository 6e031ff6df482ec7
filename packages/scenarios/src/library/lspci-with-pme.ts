// SPDX-License-Identifier: GPL-2.0-only
import {
  ASLEEP,
  AWAKE,
  enter,
  LOW_POWER_EXIT,
  lowPower,
  PINNED,
  PME_EN,
  PME_STATUS,
  pmeIndex,
  PMCSR,
  pmeStatus,
} from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const lspciWithPme = defineScenario({
  name: 'lspci-with-pme',
  about:
    'The guest has asked for PME: a wake by the host signals its eventfd once, and the device stays awake',
  claims: ['C45', 'C46'],
  topology: 'shared-intx',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    lab.step('open', CARD, AWAKE);
    const eventfd = await lab.user.eventfd();
    const index = await pmeIndex(dev);
    if (index >= 0) lab.expect('SET_IRQS of PME', await dev.setTrigger(index, eventfd), 0);
    await dev.writeConfig(PMCSR, 2, PME_EN);
    return { dev, eventfd, index };
  },
  programs: {
    guest: async (lab, { dev, eventfd, index }) => {
      if (!(await enter(lab, dev))) return;
      await lab.settle();
      lab.step('ENTER', CARD, ASLEEP);
      await lab.lspci(CARD);
      await lab.settle();
      if (index < 0) {
        lab.step('lspci', CARD, ASLEEP);
        lab.saw('no PME interrupt');
        lab.saw(lab.look(CARD));
        return;
      }
      lab.step('lspci', CARD, PINNED);
      await lab.lspci(CARD);
      await lab.settle();
      lab.step('second lspci', CARD, PINNED);
      const { count } = await lab.user.eventfdRead(eventfd);
      lab.expect('PME signals', count, 1n);
      lab.saw(`${count} PME`);
      lab.saw(lab.look(CARD));
      lab.expect('PME_Status', await pmeStatus(dev), true);
      await dev.writeConfig(PMCSR, 2, PME_EN);
      lab.expect('PME_Status after writing 0', await pmeStatus(dev), true);
      await dev.writeConfig(PMCSR, 2, PME_EN | PME_STATUS);
      lab.expect('PME_Status after writing 1', await pmeStatus(dev), false);
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.step('EXIT', CARD, AWAKE);
      lab.expect('PME_Status after EXIT', await pmeStatus(dev), false);
      lab.expect('PME signals after EXIT', (await lab.user.eventfdRead(eventfd)).count, 0n);
    },
  },
});
