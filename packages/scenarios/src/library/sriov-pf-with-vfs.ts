// SPDX-License-Identifier: GPL-2.0-only
import { enter, LOW_POWER_EXIT, lowPower, PMCSR } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const PF = '0000:01:00.0';
const NUMVFS = `/sys/bus/pci/devices/${PF}/sriov_numvfs`;

export const sriovPfWithVfs = defineScenario({
  name: 'sriov-pf-with-vfs',
  about:
    'A physical function with virtual functions never suspends: its VFs hold a reference, and D3hot is refused',
  claims: ['C20', 'C25'],
  topology: 'sriov',
  options: 'enable_sriov=1',
  setup: async (lab) => {
    const dev = await lab.open(PF);
    lab.step('open', PF, { count: 1, engaged: false, status: 'active' });
    lab.expect('sriov_numvfs', await lab.host(() => lab.testbed.sysfsWrite(NUMVFS, '2')), 1);
    lab.step('2 VFs', PF, { count: 2, engaged: false, status: 'active', power: 'D0' });
    return { dev };
  },
  programs: {
    guest: async (lab, { dev }) => {
      await dev.writeConfig(PMCSR, 2, 3);
      lab.step('D3hot written', PF, { count: 2, engaged: false, power: 'D0' });
      const entered = await enter(lab, dev);
      if (entered) {
        await lab.settle();
        lab.step('ENTER', PF, { count: 1, engaged: true, resumed: false, status: 'active', power: 'D0' });
      }
      lab.saw(lab.look(PF));
      lab.expect('no VFs', await lab.host(() => lab.testbed.sysfsWrite(NUMVFS, '0')), 1);
      await lab.settle();
      if (!entered) return;
      lab.step('VFs gone', PF, { count: 0, engaged: true, status: 'suspended', power: 'D3cold' });
      lab.saw(`VFs gone: ${lab.look(PF)}`);
      lab.expect('EXIT', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.step('EXIT', PF, { count: 1, engaged: false, status: 'active', power: 'D0' });
    },
  },
});
