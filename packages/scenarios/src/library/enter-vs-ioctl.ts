// SPDX-License-Identifier: GPL-2.0-only
import { enter, result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const enterVsIoctl = defineScenario({
  name: 'enter-vs-ioctl',
  about: 'One thread resets the device by ioctl while another ENTERs: the device must not lose its power under the reset',
  claims: ['C18', 'C37'],
  topology: 'own-power',
  schedules: 20,
  setup: async (lab) => ({ dev: await lab.open(CARD) }),
  programs: {
    resetter: async (lab, { dev }) => {
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
