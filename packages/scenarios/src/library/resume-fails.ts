// SPDX-License-Identifier: GPL-2.0-only
import { ASLEEP, AWAKE, LOW_POWER_EXIT, lowPower, openAsleep, result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';

export const resumeFails = defineScenario({
  name: 'resume-fails',
  about:
    'The device does not wake: accesses give EIO whatever the reason, EXIT gives the reason and leaves low power engaged',
  claims: ['C4', 'C5'],
  topology: 'shared-intx',
  setup: (lab) => openAsleep(lab, CARD),
  programs: {
    guest: async (lab, { dev, asleep }) => {
      if (!asleep) return;
      await lab.host(() => lab.testbed.loadModule('pmerr', [`bdf=${CARD}`, 'op=err']));
      lab.saw(`ioctl ${result(await dev.numIrqs())}`);
      lab.step('ioctl', CARD, ASLEEP);
      lab.saw(`config read ${result(await dev.readConfig(0, 4))}`);
      lab.step('config read', CARD, ASLEEP);
      const exit = await lowPower(dev, LOW_POWER_EXIT);
      lab.expect('EXIT fails', exit < 0, true);
      lab.saw(`EXIT ${result(exit)}`);
      lab.step('failed EXIT', CARD, ASLEEP);
      await lab.host(() => lab.testbed.loadModule('pmerr', [`bdf=${CARD}`, 'op=clear']));
      lab.expect('EXIT when the device wakes again', await lowPower(dev, LOW_POWER_EXIT), 0);
      lab.step('EXIT', CARD, AWAKE);
    },
  },
});
