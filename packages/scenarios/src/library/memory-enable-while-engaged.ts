// SPDX-License-Identifier: GPL-2.0-only
import { ASLEEP, enter, LOW_POWER_EXIT, lowPower, PMCSR } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';
const PCI_COMMAND = 4;

export const memoryEnableWhileEngaged = defineScenario({
  name: 'memory-enable-while-engaged',
  about:
    'Turning memory decode on or writing D0 to PMCSR while low power is engaged does not open the mapped BAR again',
  claims: ['C12', 'C16'],
  topology: 'shared-intx',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    const addr = await dev.mmap('bar0', 4096);
    return { dev, addr };
  },
  programs: {
    guest: async (lab, { dev, addr }) => {
      if (!(await enter(lab, dev))) return;
      await lab.settle();
      const touch = async (what: string): Promise<string> => {
        const load = await lab.user.load(addr, 4);
        const seen = 'signal' in load ? load.signal : 'works';
        lab.expect(`load after ${what}`, seen, 'SIGBUS');
        return seen;
      };
      await dev.writeConfig(PCI_COMMAND, 2, 6);
      lab.saw(`MEMORY=1 ${await touch('MEMORY=1')}`);
      await dev.writeConfig(PMCSR, 2, 0);
      lab.saw(`D0 ${await touch('D0')}`);
      await lab.settle();
      lab.step('writes', CARD, ASLEEP);
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      const load = await lab.user.load(addr, 4);
      lab.expect('load after EXIT', 'value' in load, true);
      lab.saw(`after EXIT ${'value' in load ? 'works' : load.signal}`);
    },
  },
});
