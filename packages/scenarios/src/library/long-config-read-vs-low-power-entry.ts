// SPDX-License-Identifier: GPL-2.0-only
import { enterAlone, keepPortAwake, readyToEnter } from '../alone.ts';
import { result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';
const CONFIG_SIZE = 256;
/** Offset of config space in the device file. */
const CONFIG_REGION = 7 * 2 ** 40;

export const longConfigReadVsLowPowerEntry = defineScenario({
  name: 'long-config-read-vs-low-power-entry',
  about:
    'One thread reads all of config space while another ENTERs, and the card sleeps or wakes alone: it does not go to sleep between two registers',
  claims: ['C15'],
  topology: 'own-power',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    await keepPortAwake(lab, CARD);
    return { dev, ready: await readyToEnter(lab, dev) };
  },
  programs: {
    reader: async (lab, { dev, ready }) => {
      if (!ready) return;
      const { ret } = await lab.user.pread(dev.fd, CONFIG_SIZE, CONFIG_REGION);
      lab.saw(ret >= 0 ? `read ${ret} bytes` : `read ${result(ret)}`);
    },
    guest: async (lab, { dev, ready }) => {
      if (ready && (await enterAlone(lab, dev))) lab.saw('entered');
    },
  },
  check: async (lab) => {
    lab.saw(lab.look(CARD));
  },
});
