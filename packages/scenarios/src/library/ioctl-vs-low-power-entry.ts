// SPDX-License-Identifier: GPL-2.0-only
import { enterAlone, keepPortAwake, readyToEnter } from '../alone.ts';
import { result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const ioctlVsLowPowerEntry = defineScenario({
  name: 'ioctl-vs-low-power-entry',
  about:
    'One thread masks INTx, which writes to config space, while another ENTERs: the ioctl keeps the device awake until it ends',
  claims: ['C18', 'C37'],
  topology: 'own-power',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    await keepPortAwake(lab, CARD);
    lab.expect('INTx', await dev.setTrigger(0, await lab.user.eventfd()), 0);
    return { dev, ready: await readyToEnter(lab, dev) };
  },
  programs: {
    irq: async (lab, { dev, ready }) => {
      if (ready) lab.saw(`mask ${result(await dev.maskIrq(0))}`);
    },
    guest: async (lab, { dev, ready }) => {
      if (ready && (await enterAlone(lab, dev))) lab.saw('entered');
    },
  },
  check: async (lab) => {
    lab.saw(lab.look(CARD));
  },
});
