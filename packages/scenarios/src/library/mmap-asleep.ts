// SPDX-License-Identifier: GPL-2.0-only
import { enter, LOW_POWER_EXIT, lowPower, PME_EN, pmeIndex, PMCSR } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';
const PAGE = 4096;

export const mmapAsleep = defineScenario({
  name: 'mmap-asleep',
  about:
    'An access to a mapped BAR from ENTER to EXIT is a SIGBUS; it never wakes the device and never signals PME',
  claims: ['C13', 'C39', 'C53'],
  topology: 'shared-intx',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    const eventfd = await lab.user.eventfd();
    const index = await pmeIndex(dev);
    if (index >= 0) await dev.setTrigger(index, eventfd);
    await dev.writeConfig(PMCSR, 2, PME_EN);
    const addr = await dev.mmap('bar0', PAGE);
    lab.expect('load before ENTER', 'value' in (await lab.user.load(addr, 4)), true);
    return { dev, eventfd, addr };
  },
  programs: {
    guest: async (lab, { dev, eventfd, addr }) => {
      if (!(await enter(lab, dev))) return;
      for (const when of ['at once', 'asleep']) {
        const load = await lab.user.load(addr, 4);
        lab.expect(`load ${when}`, 'signal' in load ? load.signal : 'a value', 'SIGBUS');
        const store = await lab.user.store(addr, 4, 0);
        lab.expect(`store ${when}`, store !== null && 'signal' in store ? store.signal : 'done', 'SIGBUS');
        await lab.settle();
        lab.step(when, CARD, { count: 0, engaged: true, status: 'suspended', power: 'D3cold' });
      }
      lab.saw(`SIGBUS, ${lab.look(CARD)}`);
      lab.expect('PME signals', (await lab.user.eventfdRead(eventfd)).count, 0n);
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      const load = await lab.user.load(addr, 4);
      lab.expect('load after EXIT', 'value' in load, true);
      lab.saw(`after EXIT ${'value' in load ? 'works' : load.signal}`);
    },
  },
});
