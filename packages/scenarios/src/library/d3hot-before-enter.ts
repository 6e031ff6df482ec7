// SPDX-License-Identifier: GPL-2.0-only
import { AWAKE, enter, LOW_POWER_EXIT, lowPower, PMCSR } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const NIC = '0000:01:00.0';
const PCI_COMMAND = 4;
const BAR0 = 0x10;
const D3HOT = 3;

export const d3hotBeforeEnter = defineScenario({
  name: 'd3hot-before-enter',
  about:
    'The guest puts a device that forgets its config in D3hot (NoSoftRst-) in D3hot and then ENTERs: config is back after EXIT',
  claims: ['C9'],
  topology: 'nosoftrst',
  setup: async (lab) => {
    const dev = await lab.open(NIC);
    const bar = await dev.readConfig(BAR0, 4);
    await dev.writeConfig(PMCSR, 2, D3HOT);
    lab.step('D3hot written', NIC, { count: 1, engaged: false, status: 'active', power: 'D3hot' });
    lab.expect('a saved state', lab.field(NIC, 'pm_save') !== null, true);
    return { dev, bar };
  },
  programs: {
    guest: async (lab, { dev, bar }) => {
      if (await enter(lab, dev)) {
        await lab.settle();
        lab.step('ENTER', NIC, { count: 0, engaged: true, status: 'suspended', power: 'D3hot' });
        lab.expect('the saved state is used up', lab.field(NIC, 'pm_save'), null);
        lab.saw(lab.look(NIC));
        lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      } else {
        await dev.writeConfig(PMCSR, 2, 0);
      }
      lab.step('awake again', NIC, AWAKE);
      const kept = (await lab.lspci(NIC, BAR0)) === bar && ((await lab.lspci(NIC, PCI_COMMAND, 2)) & 2) !== 0;
      lab.expect('config after it is awake', kept, true);
      lab.saw(kept ? 'config kept' : 'config lost');
      lab.expect('BAR read', (await dev.read('bar0', 0, 4)) >= 0, true);
    },
  },
});
