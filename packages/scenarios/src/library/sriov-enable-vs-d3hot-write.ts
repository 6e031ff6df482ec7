// SPDX-License-Identifier: GPL-2.0-only
import { pci_num_vf } from '@vfio-lab/pci';
import { keepPortAwake } from '../alone.ts';
import { PMCSR, result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const PF = '0000:01:00.0';
const NUMVFS = `/sys/bus/pci/devices/${PF}/sriov_numvfs`;
const D3HOT = 3;

export const sriovEnableVsD3hotWrite = defineScenario({
  name: 'sriov-enable-vs-d3hot-write',
  about: 'The host enables a VF while the user of the PF writes D3hot: no VF may sit on a PF that sleeps',
  claims: ['C25'],
  topology: 'sriov',
  options: 'enable_sriov=1',
  setup: async (lab) => {
    const dev = await lab.open(PF);
    await keepPortAwake(lab, PF);
    await lab.settle();
    return { dev };
  },
  programs: {
    host: async (lab) => {
      const ret = await lab.testbed.sysfsWrite(NUMVFS, '1');
      lab.saw(`VF ${ret > 0 ? 'ok' : result(ret)}`);
    },
    guest: async (_lab, { dev }) => {
      await dev.writeConfig(PMCSR, 2, D3HOT);
    },
  },
  check: async (lab) => {
    lab.saw(`${pci_num_vf(lab.pdev(PF))} VFs, PF ${lab.look(PF)}`);
    await lab.host(() => lab.testbed.sysfsWrite(NUMVFS, '0'));
  },
});
