// SPDX-License-Identifier: GPL-2.0-only
import { enter, LOW_POWER_EXIT, lowPower } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';
const CONTROL = `/sys/bus/pci/devices/${CARD}/power/control`;

export const keptAwakeBySysfs = defineScenario({
  name: 'kept-awake-by-sysfs',
  about: 'ENTER only allows sleep: with power/control=on it succeeds and the device never suspends',
  claims: ['C8', 'C47'],
  topology: 'shared-intx',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    await lab.host(() => lab.testbed.sysfsWrite(CONTROL, 'on'));
    lab.step('power/control=on', CARD, { count: 2, engaged: false, status: 'active' });
    return { dev };
  },
  programs: {
    guest: async (lab, { dev }) => {
      if (await enter(lab, dev)) {
        await lab.settle();
        lab.step('ENTER', CARD, { count: 1, engaged: true, resumed: false, status: 'active', power: 'D0' });
        lab.saw(`ENTER ok, ${lab.look(CARD)}`);
        lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      }
      lab.step('EXIT', CARD, { count: 2, engaged: false, status: 'active' });
      await lab.host(() => lab.testbed.sysfsWrite(CONTROL, 'auto'));
      lab.step('power/control=auto', CARD, { count: 1, engaged: false, status: 'active' });
    },
  },
});
