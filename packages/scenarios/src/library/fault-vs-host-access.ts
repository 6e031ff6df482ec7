// SPDX-License-Identifier: GPL-2.0-only
import { enter } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const faultVsHostAccess = defineScenario({
  name: 'fault-vs-host-access',
  about:
    'The guest touches a mapped BAR while the host has woken its sleeping device: SIGBUS, or the mapping would outlive the wake',
  claims: ['C13', 'C39'],
  topology: 'own-power',
  schedules: 8,
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    const addr = await dev.mmap('bar0', 4096);
    const engaged = await enter(lab, dev);
    await lab.settle();
    return { addr, engaged };
  },
  programs: {
    guest: async (lab, { addr, engaged }) => {
      const load = await lab.user.load(addr, 4);
      const seen = 'signal' in load ? load.signal : 'loaded';
      lab.expect('load', seen, engaged ? 'SIGBUS' : 'loaded');
      lab.saw(seen);
    },
    host: async (lab) => {
      lab.expect('lspci sees the device', await lab.lspciSees(CARD), true);
    },
  },
  check: async (lab) => {
    lab.saw(lab.look(CARD));
  },
});
