// SPDX-License-Identifier: GPL-2.0-only
import { enter, result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';
const CONFIG_SIZE = 256;

export const configAccessVsLowPowerEntry = defineScenario({
  name: 'config-access-vs-low-power-entry',
  about:
    'One thread reads all of config space while another ENTERs: no read may reach a device that has lost its power',
  claims: ['C11', 'C15', 'C19'],
  topology: 'own-power',
  schedules: 12,
  setup: async (lab) => ({ dev: await lab.open(CARD) }),
  programs: {
    reader: async (lab, { dev }) => {
      const { ret } = await lab.user.pread(dev.fd, CONFIG_SIZE, CONFIG_REGION);
      lab.saw(ret >= 0 ? `read ${ret} bytes` : `read ${result(ret)}`);
    },
    guest: async (lab, { dev }) => {
      if (await enter(lab, dev)) lab.saw('entered');
    },
  },
  check: async (lab) => {
    lab.saw(lab.look(CARD));
  },
});

/** Offset of config space in the device file. */
const CONFIG_REGION = 7 * 2 ** 40;
