// SPDX-License-Identifier: GPL-2.0-only
import { enterAlone, keepPortAwake, readyToEnter } from '../alone.ts';
import { result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const irqTeardownVsEnter = defineScenario({
  name: 'irq-teardown-vs-enter',
  about: 'One thread takes INTx down, which frees what the suspend callback looks at, while another ENTERs',
  claims: ['C31'],
  topology: 'own-power',
  schedules: 8,
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    await keepPortAwake(lab, CARD);
    lab.expect('INTx', await dev.setTrigger(0, await lab.user.eventfd()), 0);
    return { dev, ready: await readyToEnter(lab, dev) };
  },
  programs: {
    irq: async (lab, { dev, ready }) => {
      if (ready) lab.saw(`INTx off ${result(await dev.disableIrq(0))}`);
    },
    guest: async (lab, { dev, ready }) => {
      if (ready && (await enterAlone(lab, dev))) lab.saw('entered');
    },
  },
  check: async (lab) => {
    lab.saw(lab.look(CARD));
  },
});
