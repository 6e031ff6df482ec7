// SPDX-License-Identifier: GPL-2.0-only
import { enter, result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const enterVsIoctl = defineScenario({
  name: 'enter-vs-ioctl',
  about:
    'One thread sets up, masks and takes down INTx and resets the device by ioctl while another ENTERs: each ioctl finds it awake',
  claims: ['C18', 'C37'],
  topology: 'own-power',
  schedules: 8,
  setup: async (lab) => ({ dev: await lab.open(CARD), eventfd: await lab.user.eventfd() }),
  programs: {
    ioctls: async (lab, { dev, eventfd }) => {
      lab.expect('INTx on', await dev.setTrigger(0, eventfd), 0);
      lab.expect('mask', await dev.maskIrq(0), 0);
      lab.expect('unmask', await dev.unmaskIrq(0), 0);
      lab.expect('INTx off', await dev.disableIrq(0), 0);
      lab.saw(`reset ${result(await dev.reset())}`);
    },
    guest: async (lab, { dev }) => {
      if (await enter(lab, dev)) lab.saw('entered');
    },
  },
  check: async (lab) => {
    lab.saw(lab.look(CARD));
  },
});
