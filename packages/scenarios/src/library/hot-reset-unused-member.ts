// SPDX-License-Identifier: GPL-2.0-only
import { AWAKE, result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const GPU = '0000:01:00.0';
const AUDIO = '0000:01:00.1';

export const hotResetUnusedMember = defineScenario({
  name: 'hot-reset-unused-member',
  about:
    'Hot reset of two functions, one of them unused and asleep: is it woken for the reset and asleep again afterwards?',
  claims: ['C3'],
  topology: 'gpu',
  setup: async (lab) => {
    const dev = await lab.open(GPU);
    await lab.settle();
    lab.step('open', GPU, AWAKE);
    lab.step('unused', AUDIO, { count: 0, engaged: false, status: 'suspended', power: 'D3hot' });
    return { dev };
  },
  programs: {
    guest: async (lab, { dev }) => {
      const ret = await dev.hotReset([...lab.session.groups.values()]);
      lab.expect('hot reset', ret, 0);
      lab.saw(`reset ${result(ret)}`);
      await lab.settle();
      lab.step('hot reset', GPU, AWAKE);
      lab.step('hot reset', AUDIO, { count: 0, engaged: false, status: 'suspended' });
      lab.saw(`unused one ${lab.look(AUDIO)}`);
      lab.expect('GPU config', await lab.lspciSees(GPU), true);
      lab.expect('audio config', await lab.lspciSees(AUDIO), true);
    },
  },
});
