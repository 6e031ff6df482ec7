// SPDX-License-Identifier: GPL-2.0-only
import { enterAlone, keepPortAwake, readyToEnter } from '../alone.ts';
import { result } from '../lab.ts';
import { defineScenario } from '../scenario.ts';

const CARD = '0000:01:00.0';
const CONTROL = `/sys/bus/pci/devices/${CARD}/power/control`;
const PCI_COMMAND = 4;
/** Offset of PCI_COMMAND in the device file. */
const COMMAND_AT = 7 * 2 ** 40 + PCI_COMMAND;
/** PCI_COMMAND with memory and bus master on, and the dword after it, which is another access of the device. */
const COMMAND_AND_NEXT = Uint8Array.of(6, 0, 0, 0, 0, 0, 0, 0);

export const memoryEnableVsLowPowerEntry = defineScenario({
  name: 'memory-enable-vs-low-power-entry',
  about:
    'One thread turns memory decode on, in a write of two parts, while another ENTERs: the mapped BAR stays closed, also when the host keeps the device awake',
  claims: ['C16', 'C17'],
  topology: 'own-power',
  setup: async (lab) => {
    const dev = await lab.open(CARD);
    await keepPortAwake(lab, CARD);
    const addr = await dev.mmap('bar0', 4096);
    await dev.writeConfig(PCI_COMMAND, 2, 4);
    return { dev, addr, ready: await readyToEnter(lab, dev) };
  },
  programs: {
    writer: async (lab, { dev, ready }) => {
      if (!ready) return;
      const ret = await lab.user.pwrite(dev.fd, COMMAND_AND_NEXT, COMMAND_AT);
      lab.saw(`wrote ${ret < 0 ? result(ret) : ret}`);
    },
    guest: async (lab, { dev, ready }) => {
      if (ready && (await enterAlone(lab, dev))) lab.saw('entered');
    },
  },
  check: async (lab, { addr, ready }) => {
    if (!ready) return;
    await lab.host(() => lab.testbed.sysfsWrite(CONTROL, 'on'));
    const load = await lab.user.load(addr, 4);
    lab.saw(`kept ${lab.look(CARD)}, load ${'signal' in load ? load.signal : 'works'}`);
    await lab.host(() => lab.testbed.sysfsWrite(CONTROL, 'auto'));
  },
});
