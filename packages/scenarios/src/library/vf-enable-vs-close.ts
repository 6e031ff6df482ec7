// SPDX-License-Identifier: GPL-2.0-only
import { result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const PF = '0000:01:00.0';
const NUMVFS = `/sys/bus/pci/devices/${PF}/sriov_numvfs`;

export const vfEnableVsClose = defineScenario({
  name: 'vf-enable-vs-close',
  about:
    'The host enables VFs, which are probed under memory_lock and join the device set of their bus, while the guest closes the PF',
  claims: ['C25'],
  topology: 'sriov',
  options: 'enable_sriov=1',
  schedules: 12,
  setup: async (lab) => ({ dev: await lab.open(PF) }),
  programs: {
    host: async (lab) => {
      const ret = await lab.testbed.sysfsWrite(NUMVFS, '2');
      lab.saw(`2 VFs ${ret > 0 ? 'ok' : result(ret)}`);
    },
    guest: async (lab, { dev }) => {
      lab.saw(`close ${result(await dev.close())}`);
    },
  },
  check: async (lab) => {
    await lab.host(() => lab.testbed.sysfsWrite(NUMVFS, '0'));
  },
});
