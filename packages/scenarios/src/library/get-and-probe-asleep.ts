// SPDX-License-Identifier: GPL-2.0-only
import {
  ASLEEP,
  FEATURE_GET,
  FEATURE_PM,
  FEATURE_PROBE,
  FEATURE_SET,
  flagNames,
  lowPowerFlags,
  openAsleep,
  payload,
  result,
} from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const GPU = '0000:01:00.0';

export const getAndProbeAsleep = defineScenario({
  name: 'get-and-probe-asleep',
  about: 'GET and PROBE of the low-power feature answer without waking the device',
  claims: ['C34'],
  topology: 'gpu',
  setup: (lab) => openAsleep(lab, GPU),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      lab.saw(`GET ${flagNames(await lowPowerFlags(dev))}`);
      lab.step('GET', GPU, ASLEEP);
      const probe = await dev.feature(FEATURE_PROBE | FEATURE_GET | FEATURE_SET | FEATURE_PM, payload(0));
      lab.saw(`PROBE ${result(probe.ret)}`);
      lab.step('PROBE', GPU, ASLEEP);
      await lab.settle();
      lab.step('some time after PROBE', GPU, ASLEEP);
      lab.saw(lab.look(GPU));
    },
  },
});
