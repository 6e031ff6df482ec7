// SPDX-License-Identifier: GPL-2.0-only
import { AWAKE, enter, LOW_POWER_EXIT, lowPower, result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const GPU = '0000:01:00.0';
const AUDIO = '0000:01:00.1';

export const hotResetSleepingMember = defineScenario({
  name: 'hot-reset-sleeping-member',
  about:
    'Hot reset of two functions, both sent to D3cold by their guest: both are powered for the reset, no count drifts',
  claims: ['C3', 'C18'],
  topology: 'gpu',
  setup: async (lab) => ({ gpu: await lab.open(GPU), audio: await lab.open(AUDIO) }),
  programs: {
    guest: async (lab, { gpu, audio }) => {
      const slept = (await enter(lab, audio)) && (await enter(lab, gpu));
      await lab.settle();
      if (slept) {
        lab.step('ENTER', GPU, { count: 0, engaged: true, status: 'suspended', power: 'D3cold' });
        lab.step('ENTER', AUDIO, { count: 0, engaged: true, status: 'suspended', power: 'D3cold' });
      }
      const ret = await gpu.hotReset([...lab.session.groups.values()]);
      lab.expect('hot reset', ret, 0);
      lab.saw(`reset ${result(ret)}`);
      await lab.settle();
      if (!slept) return;
      lab.saw(`GPU ${lab.look(GPU)}, audio ${lab.look(AUDIO)}`);
      lab.step('hot reset', AUDIO, { count: 0, engaged: true, resumed: false, status: 'suspended' });
      for (const dev of [gpu, audio]) {
        lab.expect(`EXIT of ${dev.bdf}`, await lowPower(dev, LOW_POWER_EXIT), 0);
        lab.step('EXIT', dev.bdf, AWAKE);
        lab.expect(`config of ${dev.bdf}`, await lab.lspciSees(dev.bdf), true);
      }
    },
  },
});
