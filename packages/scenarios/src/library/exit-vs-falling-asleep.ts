// SPDX-License-Identifier: GPL-2.0-only
import { lowPowerOf } from '@vfio-lab/testbed';
import { enterAlone, exitAlone, keepPortAwake, NO_WAKEUP } from '../alone.ts';
import { result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';
const CONTROL = `/sys/bus/pci/devices/${CARD}/power/control`;

export const exitVsFallingAsleep = defineScenario({
  name: 'exit-vs-falling-asleep',
  about:
    'A guest that wants to be told of a wake EXITs while its device falls asleep: its own EXIT may tell it, once, and the count is right either way',
  claims: ['C42', 'C54'],
  topology: 'own-power',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    await keepPortAwake(lab, CARD);
    const eventfd = await lab.user.eventfd();
    const ready = lowPowerOf(lab.testbed.revision).has.wakeup;
    if (!ready) lab.saw(NO_WAKEUP);
    await lab.host(() => lab.testbed.sysfsWrite(CONTROL, 'on'));
    return { dev, eventfd, ready: ready && (await enterAlone(lab, dev, eventfd)) };
  },
  programs: {
    host: async (lab) => {
      await lab.testbed.sysfsWrite(CONTROL, 'auto');
    },
    guest: async (lab, { dev, ready }) => {
      if (ready) lab.saw(`EXIT ${result(await exitAlone(lab, dev))}`);
    },
  },
  check: async (lab, { eventfd, ready }) => {
    if (!ready) return;
    const told = (await lab.user.eventfdRead(eventfd)).count;
    const { count, engaged } = lab.state(CARD);
    lab.saw(`told ${told} times, count ${count}${engaged ? ', still engaged' : ''}`);
  },
});
