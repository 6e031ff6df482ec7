// SPDX-License-Identifier: GPL-2.0-only
import { enterAlone, readyToEnter } from '../alone.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';
/** Not virtual: read from the device. */
const PCI_CLASS_REVISION = 8;

export const configReadVsLowPowerEntry = defineScenario({
  name: 'config-read-vs-low-power-entry',
  about:
    'One thread reads a register of config space while another ENTERs: the smallest race for a device that is off',
  claims: ['C11'],
  topology: 'own-power',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    return { dev, ready: await readyToEnter(lab, dev) };
  },
  programs: {
    reader: async (lab, { dev, ready }) => {
      if (ready) lab.saw((await dev.readConfig(PCI_CLASS_REVISION, 4)) >= 0 ? 'read' : 'read fails');
    },
    guest: async (lab, { dev, ready }) => {
      if (ready && (await enterAlone(lab, dev))) lab.saw('entered');
    },
  },
  check: async (lab) => {
    lab.saw(lab.look(CARD));
  },
});
