// SPDX-License-Identifier: GPL-2.0-only
/*
 * Scripts and programs for paths that neither a scenario nor a recording gets to, in the language of random programs. A
 * script is run by one user, and the devices are looked at after every line.
 */

import type { Program } from '@vfio-lab/fuzz';

/** A script on one of our machines, or on one of those that recordings were made on. */
export interface DirectedScript {
  readonly topology?: string;
  readonly machine?: string;
  /** Parameters of vfio-pci. */
  readonly options?: string;
  readonly lines: readonly string[];
}

const CARD = '0000:01:00.0';
const AUDIO = '0000:01:00.1';
const SECOND = '0000:02:00.0';
const VF1 = '0000:01:00.1';
const VF2 = '0000:01:00.2';
const TOKEN = '00112233-4455-6677-8899-aabbccddeeff';

/** Bind a device and open it, as D. */
function open(bdf: string, n = 0): string[] {
  return [
    `bind ${bdf}`,
    ...(n === 0 ? ['container C'] : []),
    `group G${n} ${bdf}`,
    `set_container G${n} C`,
    ...(n === 0 ? ['set_iommu C 3'] : []),
    `device D${n} G${n} ${bdf}`,
    `wr D${n} cfg 4 2 6`,
  ];
}

/** Both functions of the graphics card: one group. */
const GPU = [
  `bind ${CARD}`,
  `bind ${AUDIO}`,
  'container C',
  `group G0 ${CARD}`,
  'set_container G0 C',
  'set_iommu C 3',
  `device D0 G0 ${CARD}`,
  `device D1 G0 ${AUDIO}`,
  'wr D0 cfg 4 2 6',
  'wr D1 cfg 4 2 6',
];

const RING = 0x08;
const ACK = 0x0c;

/** Every way to mask and unmask, with the interrupt asserted and not. */
const MASKING = [
  'efd E0',
  'efd E2',
  'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
  `ring ${CARD} ${RING}`,
  'sleep 1',
  'efd_rd E0',
  'set_irqs D0 DNONE|UNMASK intx 0 1',
  'sleep 1',
  'efd_rd E0',
  `wr D0 bar0 ${ACK} 4 1`,
  'set_irqs D0 DBOOL|UNMASK intx 0 1 bool:0',
  'set_irqs D0 DBOOL|UNMASK intx 0 1 bool:1',
  'set_irqs D0 DBOOL|MASK intx 0 1 bool:0',
  'set_irqs D0 DBOOL|MASK intx 0 1 bool:1',
  `ring ${CARD} ${RING}`,
  'sleep 1',
  'efd_rd E0',
  'set_irqs D0 DBOOL|UNMASK intx 0 1 bool:1',
  'sleep 1',
  'efd_rd E0',
  `wr D0 bar0 ${ACK} 4 1`,
  'set_irqs D0 DNONE|UNMASK intx 0 1',
  'set_irqs D0 DNONE|MASK intx 0 1',
  'set_irqs D0 DNONE|MASK intx 0 1',
  'set_irqs D0 DEFD|UNMASK intx 0 1 efd:E2',
  'efd_wr E2 1',
  'sleep 1',
  `ring ${CARD} ${RING}`,
  'sleep 1',
  'efd_rd E0',
  'efd_wr E2 1',
  'sleep 1',
  'efd_rd E0',
  `wr D0 bar0 ${ACK} 4 1`,
  'efd_wr E2 1',
  'sleep 1',
  'set_irqs D0 DEFD|UNMASK intx 0 1 efd:-1',
  'set_irqs D0 DNONE|TRIGGER intx 0 1',
  'set_irqs D0 DBOOL|TRIGGER intx 0 1 bool:1',
  'efd_rd E0',
];

/** DisINTx of the guest, over INTx set up, taken away, and set up again; and a trigger that changes. */
const GUEST_MASK = [
  'efd E0',
  'efd E1',
  'wr D0 cfg 4 2 0x406',
  'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
  'set_irqs D0 DNONE|UNMASK intx 0 1',
  `ring ${CARD} ${RING}`,
  'sleep 1',
  'efd_rd E0',
  'set_irqs D0 DNONE|UNMASK intx 0 1',
  'set_irqs D0 DNONE|TRIGGER intx 0 1',
  'efd_rd E0',
  'wr D0 cfg 4 2 0x406',
  'wr D0 cfg 4 2 6',
  'sleep 1',
  'efd_rd E0',
  `wr D0 bar0 ${ACK} 4 1`,
  'wr D0 cfg 4 2 6',
  'set_irqs D0 DNONE|UNMASK intx 0 1',
  'wr D0 cfg 4 2 0x406',
  'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E1',
  `ring ${CARD} ${RING}`,
  'sleep 1',
  'efd_rd E1',
  'wr D0 cfg 4 2 6',
  'sleep 1',
  'efd_rd E1',
  `wr D0 bar0 ${ACK} 4 1`,
  'set_irqs D0 DNONE|TRIGGER intx 0 0',
  'wr D0 cfg 4 2 0x406',
  'rd D0 cfg 4 2',
  `hostcfg_r ${CARD} 4 2`,
  'wr D0 cfg 4 2 6',
  `hostcfg_r ${CARD} 4 2`,
  'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E1',
  `hostcfg_r ${CARD} 4 2`,
  'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:C',
  'set_irqs D0 DNONE|TRIGGER intx 0 0',
  'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:C',
  'set_irqs D0 DNONE|MASK intx 0 1',
  'set_irqs D0 DNONE|UNMASK intx 0 1',
  'set_irqs D0 DNONE|TRIGGER intx 0 1',
  'wr D0 cfg 4 2 0x406',
  'close D0',
  `device D0 G0 ${CARD}`,
  'wr D0 cfg 4 2 6',
  'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
  `ring ${CARD} ${RING}`,
  'sleep 1',
  'efd_rd E0',
  'set_irqs D0 DNONE|MASK intx 0 1',
  'lp_enter D0',
  'sleep 200',
  `hostcfg_r ${CARD} 4 2`,
  'lp_exit D0',
  'set_irqs D0 DNONE|UNMASK intx 0 1',
  `wr D0 bar0 ${ACK} 4 1`,
  'set_irqs D0 DNONE|MASK intx 0 1',
  'set_irqs D0 DNONE|TRIGGER intx 0 0',
  `hostcfg_r ${CARD} 4 2`,
  'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
  `hostcfg_r ${CARD} 4 2`,
  `ring ${CARD} ${RING}`,
  'sleep 1',
  'efd_rd E0',
];

/** What the host has left in the registers of a device before it is opened. */
function leftByHost(bdf: string): string[] {
  return [
    `bind ${bdf}`,
    'container C',
    `group G0 ${bdf}`,
    'set_container G0 C',
    'set_iommu C 3',
    `syswrite ${bdf}/power/control on`,
    `hostcfg_w ${bdf} 4 2 0x402`,
    `device D0 G0 ${bdf}`,
    `hostcfg_r ${bdf} 4 2`,
    'rd D0 cfg 4 2',
    'efd E0',
    'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
    `hostcfg_r ${bdf} 4 2`,
    'close D0',
    `hostcfg_r ${bdf} 4 2`,
    `syswrite ${bdf}/power/control auto`,
  ];
}

/** One interrupt mode while another is on, or none. */
const MODES = [
  'efd E0',
  'set_irqs D0 DNONE|TRIGGER intx 0 1',
  'set_irqs D0 DEFD|TRIGGER msi 0 1 efd:E0',
  'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
  'set_irqs D0 DNONE|MASK intx 0 1',
  'set_irqs D0 DNONE|UNMASK intx 0 1',
  'set_irqs D0 DNONE|TRIGGER intx 0 1',
  'set_irqs D0 DNONE|TRIGGER intx 0 0',
  'wr D0 cfg 4 2 0x406',
  'wr D0 cfg 4 2 6',
  `hostcfg_r ${CARD} 4 2`,
  'set_irqs D0 DNONE|TRIGGER msi 0 0',
  'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
  'set_irqs D0 DEFD|TRIGGER msi 0 1 efd:E0',
  'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:-1',
  'set_irqs D0 DNONE|TRIGGER intx 0 0',
  'set_irqs D0 DEFD|TRIGGER err 0 1 efd:E0',
  'set_irqs D0 DEFD|TRIGGER req 0 1 efd:E0',
  'set_irqs D0 DEFD|TRIGGER 5 0 1 efd:E0',
  'set_irqs D0 DNONE|TRIGGER req 0 1',
  'close D0',
  `device D0 G0 ${CARD}`,
  'irq D0 intx',
  'info D0',
];

/** D3hot by the guest, and resets from there. */
const D3HOT = [
  'wr D0 cfg 0x10 4 0xffffffff',
  'wr D0 cfg 0x44 2 3',
  'rd D0 cfg 0x44 2',
  'wr D0 cfg 0x44 2 3',
  'wr D0 cfg 0x44 2 0',
  'rd D0 cfg 0x44 2',
  'rd D0 bar0 0 4',
  `hostcfg_r ${CARD} 0 64`,
  'wr D0 cfg 0x44 2 0',
  'wr D0 cfg 0x44 2 3',
  'reset D0',
  `hostcfg_r ${CARD} 0 64`,
  'wr D0 cfg 4 2 6',
  'wr D0 cfg 0x44 2 3',
  'mmap M D0 bar0 0 0x1000 rw',
  'mrd M 0 4',
  'wr D0 cfg 0x44 2 0',
  'mrd M 0 4',
  'wr D0 cfg 0x44 2 3',
  'mrd M 0 4',
  'lp_enter D0',
  'sleep 200',
  'lp_exit D0',
  `hostcfg_r ${CARD} 0 64`,
  'wr D0 cfg 0x44 2 0x8103',
  'lp_enter D0 stay',
  'sleep 200',
  `hostcfg_r ${CARD} 0 64`,
  'sleep 200',
  `pm ${CARD}`,
  'rd D0 cfg 0x44 2',
  'munmap M',
  'close D0',
  `device D0 G0 ${CARD}`,
  'rd D0 cfg 0x44 2',
  'wr D0 cfg 4 2 6',
  'rd D0 bar0 0 4',
];

/** By name. */
export const DIRECTED_SCRIPTS: Readonly<Record<string, DirectedScript>> = {
  'masking with DisINTx': { topology: 'own-power', lines: [...open(CARD), ...MASKING] },
  'masking without DisINTx': {
    topology: 'own-power',
    options: 'nointxmask=1',
    lines: [...open(CARD), ...MASKING],
  },
  'guest mask with DisINTx': { topology: 'own-power', lines: [...open(CARD), ...GUEST_MASK] },
  'guest mask without DisINTx': {
    topology: 'own-power',
    options: 'nointxmask=1',
    lines: [...open(CARD), ...GUEST_MASK],
  },
  'interrupt modes': { topology: 'ports', lines: [...open(CARD), ...MODES] },
  'interrupt modes without DisINTx': {
    topology: 'ports',
    options: 'nointxmask=1',
    lines: [...open(CARD), ...MODES],
  },
  'a line that somebody else has': {
    topology: 'shared-intx',
    options: 'nointxmask=1',
    lines: [
      ...open(CARD),
      ...open(SECOND, 1),
      'efd E0',
      'efd E1',
      'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
      'set_irqs D1 DEFD|TRIGGER intx 0 1 efd:E1',
      'set_irqs D1 DNONE|MASK intx 0 1',
      'close E1',
      'set_irqs D0 DNONE|TRIGGER intx 0 0',
      'efd E1',
      'set_irqs D1 DEFD|TRIGGER intx 0 1 efd:E1',
      `ring ${SECOND} ${RING}`,
      'sleep 1',
      'efd_rd E1',
    ],
  },
  'registers left by the host': { topology: 'own-power', lines: leftByHost(CARD) },
  'registers left by the host, no pin': { topology: 'quirks', lines: leftByHost(SECOND) },
  'registers left by the host, no pin, no DisINTx': {
    topology: 'quirks',
    options: 'nointxmask=1',
    lines: leftByHost(SECOND),
  },
  'registers left by the host, no DisINTx': {
    topology: 'own-power',
    options: 'nointxmask=1',
    lines: leftByHost(CARD),
  },
  'PME left by the host': {
    topology: 'gpu',
    lines: [
      `bind ${CARD}`,
      `bind ${AUDIO}`,
      `syswrite ${CARD}/power/control on`,
      `hostcfg_w ${CARD} 0x44 2 0x100`,
      ...GPU.slice(2),
      'rd D0 cfg 0x44 2',
      'rd D0 cfg 0x42 2',
    ],
  },
  'INTx that cannot be trusted': {
    topology: 'quirks',
    lines: [
      ...open(CARD),
      'irq D0 intx',
      'efd E0',
      `hostcfg_r ${CARD} 4 2`,
      'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
      'set_irqs D0 DEFD|TRIGGER msi 0 1 efd:E0',
      `hostcfg_r ${CARD} 4 2`,
      'set_irqs D0 DNONE|TRIGGER msi 0 0',
      `hostcfg_r ${CARD} 4 2`,
      'wr D0 cfg 4 2 0x406',
      'wr D0 cfg 4 2 6',
      `hostcfg_r ${CARD} 4 2`,
      'rd D0 cfg 0xc0 4',
      'mmap M D0 bar0 0 0x1000 rw',
      'mrd M 0 4',
      'wr D0 cfg 0xc4 1 1',
      'rd D0 cfg 4 2',
      'rd D0 bar0 0 4',
      'mrd M 0 4',
      'info D0',
    ],
  },
  'probing while asleep': {
    topology: 'own-power',
    lines: [
      ...open(CARD),
      'efd E3',
      'feature D0 PROBE|SET|LP_ENTRY',
      'lp_enter D0 wake:E3',
      'sleep 200',
      'feature D0 PROBE|SET|LP_EXIT',
      'feature D0 GET|LP_EXIT',
      'feature D0 PROBE|SET|LP_ENTRY',
      'sleep 200',
      'lp_enter D0',
      'feature D0 PROBE|SET|LP_EXIT',
      'feature D0 GET|LP_EXIT',
      'sleep 200',
      `pm ${CARD}`,
      'lp_exit D0',
    ],
  },
  'a device that does not wake to be opened': {
    topology: 'own-power',
    lines: [
      `bind ${CARD}`,
      'container C',
      `group G0 ${CARD}`,
      'set_container G0 C',
      'set_iommu C 3',
      'sleep 200',
      `insmod pmerr bdf=${CARD} op=err`,
      `device D0 G0 ${CARD}`,
      `pm ${CARD}`,
      `insmod pmerr bdf=${CARD} op=clear`,
      `device D0 G0 ${CARD}`,
    ],
  },
  'errors of the device': {
    topology: 'own-power',
    lines: [
      ...open(CARD),
      'efd E0',
      `aer ${CARD}`,
      'set_irqs D0 DEFD|TRIGGER err 0 1 efd:E0',
      `aer ${CARD}`,
      'efd_rd E0',
      'close D0',
      `aer ${CARD}`,
    ],
  },
  'ROM with memory decode off': {
    machine: 'machineA',
    lines: [
      ...open('0000:02:00.0'),
      'region D0 rom',
      'wr D0 cfg 4 2 0',
      'region D0 rom',
      'hostcfg_r 0000:02:00.0 4 2',
      'wr D0 cfg 4 2 6',
      'region D0 rom',
      'rd D0 bar0 0 4',
    ],
  },
  'D3hot by the guest': { topology: 'own-power', lines: [...open(CARD), ...D3HOT] },
  'D3hot by the guest, state lost': { topology: 'nosoftrst', lines: [...open(CARD), ...D3HOT] },
  'idle devices stay awake': {
    topology: 'gpu',
    options: 'disable_idle_d3=1',
    lines: [...GPU, 'lp_enter D0', 'sleep 200', 'hotreset D0 fds:G0', 'close D0', 'close D1', `pm ${CARD}`],
  },
  'a member that does not wake': {
    topology: 'gpu',
    lines: [
      ...GPU,
      'lp_enter D0',
      'lp_enter D1',
      'sleep 200',
      `insmod pmerr bdf=${AUDIO} op=err`,
      'hotreset D0 fds:G0',
      `pm ${CARD}`,
      `pm ${AUDIO}`,
      `insmod pmerr bdf=${AUDIO} op=clear`,
      'hotreset D0 fds:G0',
      'lp_exit D0',
      'lp_exit D1',
      'hotreset D0 fds:C',
      'hotreset D0 fds:G0,G0',
    ],
  },
};

/** Tasks that meet. */
export const DIRECTED: Readonly<Record<string, Program>> = {
  'close while the host wakes': {
    topology: 'own-power',
    options: '',
    setup: [...open(CARD), 'efd E3', 'lp_enter D0 stay wake:E3', 'sleep 200'],
    tasks: [
      { name: 'user0', ops: ['close D0'] },
      { name: 'host', ops: [`hostcfg_r ${CARD} 0 4`, `hostcfg_r ${CARD} 0 4`] },
    ],
  },
  'close while the host resets': {
    topology: 'own-power',
    options: '',
    setup: open(CARD),
    tasks: [
      { name: 'user0', ops: ['close D0'] },
      { name: 'host', ops: [`syswrite ${CARD}/reset 1`] },
    ],
  },
  'errors while triggers change': {
    topology: 'own-power',
    options: '',
    setup: [...open(CARD), 'efd E0', 'set_irqs D0 DEFD|TRIGGER err 0 1 efd:E0'],
    tasks: [
      { name: 'user0', ops: ['set_irqs D0 DEFD|TRIGGER err 0 1 efd:-1', 'close D0'] },
      { name: 'host', ops: [`aer ${CARD}`, `aer ${CARD}`] },
    ],
  },
  'calls and accesses of a sleeping device': {
    topology: 'own-power',
    options: '',
    setup: [...open(CARD), 'lp_enter D0', 'sleep 200'],
    tasks: [
      { name: 'user0', ops: ['irq D0 intx', 'reset D0', 'rd D0 cfg 0 4'] },
      { name: 'user1', ops: ['wr D0 cfg 4 2 6', 'irq D0 intx', 'rd D0 bar0 0 4'] },
    ],
  },
  'AF reset while it is used': {
    topology: 'quirks',
    options: '',
    setup: [...open(CARD), 'mmap M0 D0 bar0 0 0x1000 rw', 'mrd M0 0 4'],
    tasks: [
      { name: 'user0', ops: ['wr D0 cfg 0xc4 1 1'] },
      { name: 'user1', ops: ['rd D0 bar0 0 4', 'mrd M0 0 4'] },
    ],
  },
  'low power by two threads': {
    topology: 'own-power',
    options: '',
    setup: [...open(CARD), 'efd E3'],
    tasks: [
      { name: 'user0', ops: ['lp_enter D0 wake:E3', 'lp_exit D0', 'lp_enter D0 stay'] },
      { name: 'user1', ops: ['lp_enter D0', 'feature D0 GET|LP_ENTRY data:0000000000000000', 'lp_exit D0'] },
      { name: 'host', ops: [`hostcfg_r ${CARD} 0 4`] },
    ],
  },
  'EXIT that fails, ENTER meanwhile': {
    topology: 'own-power',
    options: '',
    setup: [...open(CARD), 'lp_enter D0', 'sleep 200', `insmod pmerr bdf=${CARD} op=err`],
    tasks: [
      { name: 'user0', ops: ['lp_exit D0'] },
      { name: 'user1', ops: ['lp_enter D0'] },
    ],
  },
  'masking by everybody': {
    topology: 'own-power',
    options: '',
    setup: [
      ...open(CARD),
      'efd E0',
      'efd E2',
      'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
      'set_irqs D0 DEFD|UNMASK intx 0 1 efd:E2',
    ],
    tasks: [
      { name: 'user0', ops: ['set_irqs D0 DNONE|MASK intx 0 1', 'set_irqs D0 DNONE|UNMASK intx 0 1'] },
      { name: 'user1', ops: ['wr D0 cfg 4 2 0x406', 'wr D0 cfg 4 2 6', 'efd_wr E2 1'] },
      { name: 'device', ops: [`ring ${CARD} ${RING}`, `ring ${CARD} ${ACK}`] },
    ],
  },
  'masking by everybody without DisINTx': {
    topology: 'own-power',
    options: 'nointxmask=1',
    setup: [...open(CARD), 'efd E0', 'efd E2', 'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0'],
    tasks: [
      { name: 'user0', ops: ['set_irqs D0 DNONE|MASK intx 0 1', 'set_irqs D0 DNONE|UNMASK intx 0 1'] },
      { name: 'user1', ops: ['wr D0 cfg 4 2 0x406', 'wr D0 cfg 4 2 6'] },
      { name: 'device', ops: [`ring ${CARD} ${RING}`, `ring ${CARD} ${ACK}`] },
    ],
  },
  'a trigger that changes while it comes': {
    topology: 'own-power',
    options: 'nointxmask=1',
    setup: [...open(CARD), 'efd E0', 'efd E1', 'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0'],
    tasks: [
      {
        name: 'user0',
        ops: ['set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E1', 'set_irqs D0 DNONE|TRIGGER intx 0 0'],
      },
      { name: 'user1', ops: ['wr D0 cfg 4 2 0x406', 'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0'] },
      { name: 'device', ops: [`ring ${CARD} ${RING}`, `ring ${CARD} ${ACK}`] },
    ],
  },
  'suspend and resume while INTx changes': {
    topology: 'own-power',
    options: '',
    setup: [...open(CARD), 'efd E0', 'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0', 'lp_enter D0'],
    tasks: [
      { name: 'user0', ops: ['set_irqs D0 DNONE|MASK intx 0 1', 'rd D0 cfg 0 4', 'lp_exit D0'] },
      { name: 'user1', ops: ['set_irqs D0 DNONE|UNMASK intx 0 1', 'rd D0 cfg 4 2'] },
      { name: 'host', ops: [`hostcfg_r ${CARD} 0 4`] },
      { name: 'device', ops: [`ring ${CARD} ${RING}`] },
    ],
  },
  'wake with virtual PME': {
    topology: 'own-power',
    options: '',
    setup: [
      ...open(CARD),
      'efd E0',
      'set_irqs D0 DEFD|TRIGGER 5 0 1 efd:E0',
      'wr D0 cfg 0x44 2 0x100',
      'lp_enter D0',
      'sleep 200',
    ],
    tasks: [
      { name: 'user0', ops: ['set_irqs D0 DEFD|TRIGGER 5 0 1 efd:-1', 'lp_exit D0'] },
      { name: 'user1', ops: ['rd D0 cfg 0x44 2', 'wr D0 cfg 0x45 1 0x81'] },
      { name: 'host', ops: [`hostcfg_r ${CARD} 0 4`] },
    ],
  },
  'reset while it is used': {
    topology: 'nosoftrst',
    options: '',
    setup: [...open(CARD), 'mmap M0 D0 bar0 0 0x1000 rw', 'mrd M0 0 4'],
    tasks: [
      { name: 'user0', ops: ['reset D0', 'wr D0 cfg 0x44 2 3', 'reset D0'] },
      { name: 'user1', ops: ['rd D0 bar0 0 4', 'mrd M0 0 4', 'wr D0 cfg 0x78 2 0xa810'] },
      { name: 'user2', ops: ['wr D0 cfg 4 2 4', 'wr D0 cfg 4 2 6', 'wr D0 cfg 0x44 2 0'] },
    ],
  },
  'hot reset while it is used': {
    topology: 'gpu',
    options: '',
    setup: [...GPU, 'mmap M0 D0 bar0 0 0x1000 rw', 'mmap M1 D1 bar0 0 0x1000 rw', 'mrd M0 0 4'],
    tasks: [
      { name: 'user0', ops: ['hotreset D0 fds:G0', 'hotreset D1 fds:G0'] },
      { name: 'user1', ops: ['mrd M1 0 4', 'mrd M0 0 4', 'wr D1 cfg 4 2 0', 'wr D1 cfg 4 2 6'] },
      { name: 'user2', ops: ['mmap M2 D0 bar0 0 0x1000 rw', 'mrd M2 0 4', 'munmap M2', 'rd D0 bar0 0 4'] },
    ],
  },
  'hot reset while mappings come and go': {
    topology: 'gpu',
    options: '',
    setup: [...GPU, 'mmap M0 D0 bar0 0 0x1000 rw', 'mmap M1 D0 bar0 0 0x1000 rw', 'mrd M0 0 4'],
    tasks: [
      { name: 'user0', ops: ['hotreset D0 fds:G0', 'hotreset D0 fds:G0'] },
      { name: 'user1', ops: ['mmap M2 D1 bar0 0 0x1000 rw', 'munmap M2', 'mrd M0 0 4', 'munmap M0'] },
      { name: 'user2', ops: ['mrd M1 0 4', 'mrd M1 0 4'] },
    ],
  },
  'hot reset while a mapping faults': {
    topology: 'gpu',
    options: '',
    setup: [
      ...GPU,
      'mmap M0 D0 bar0 0 0x1000 rw',
      'mmap M1 D0 bar0 0 0x1000 rw',
      'mmap M2 D0 bar0 0 0x1000 rw',
      'mrd M0 0 4',
    ],
    tasks: [
      { name: 'user0', ops: ['hotreset D0 fds:G0'] },
      { name: 'user1', ops: ['mrd M1 0 4'] },
      { name: 'user2', ops: ['mrd M2 0 4'] },
    ],
  },
  'memory turned off while it is mapped': {
    topology: 'own-power',
    options: '',
    setup: [...open(CARD), 'mmap M0 D0 bar0 0 0x1000 rw', 'mmap M1 D0 bar0 0 0x1000 rw'],
    tasks: [
      { name: 'user0', ops: ['wr D0 cfg 4 2 4'] },
      { name: 'user1', ops: ['mrd M0 0 4'] },
      { name: 'user2', ops: ['mrd M1 0 4'] },
    ],
  },
  'ROM while memory is turned off': {
    topology: 'rom',
    options: '',
    setup: open(CARD),
    tasks: [
      { name: 'user0', ops: ['region D0 rom'] },
      { name: 'user1', ops: ['wr D0 cfg 4 2 4'] },
    ],
  },
  'the guest masks while INTx is unmasked': {
    topology: 'own-power',
    options: '',
    setup: [...open(CARD), 'efd E0', 'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0'],
    tasks: [
      { name: 'user0', ops: ['wr D0 cfg 4 2 0x406'] },
      { name: 'user1', ops: ['set_irqs D0 DNONE|UNMASK intx 0 1'] },
    ],
  },
  'the guest masks while INTx is set up': {
    topology: 'own-power',
    options: '',
    setup: [
      ...open(CARD),
      'efd E0',
      'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
      'set_irqs D0 DNONE|MASK intx 0 1',
      'set_irqs D0 DNONE|TRIGGER intx 0 0',
    ],
    tasks: [
      { name: 'user0', ops: ['set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0'] },
      { name: 'user1', ops: ['wr D0 cfg 4 2 0x406'] },
    ],
  },
  'INTx taken away in the middle of an unmask': {
    topology: 'own-power',
    options: '',
    setup: [
      ...open(CARD),
      'efd E0',
      'wr D0 cfg 4 2 0x406',
      'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
      `ring ${CARD} ${RING}`,
    ],
    tasks: [
      { name: 'user0', ops: ['wr D0 cfg 4 2 6'] },
      { name: 'user1', ops: ['set_irqs D0 DNONE|TRIGGER intx 0 0'] },
    ],
  },
  'hot reset while a member sleeps and wakes': {
    topology: 'gpu',
    options: '',
    setup: [...GPU, 'lp_enter D1', 'lp_enter D0', 'sleep 200'],
    tasks: [
      { name: 'user0', ops: ['hotreset D0 fds:G0'] },
      { name: 'user1', ops: ['lp_exit D1', 'close D1'] },
      { name: 'host', ops: [`hostcfg_r ${AUDIO} 0 4`, `hostcfg_r ${CARD} 0 4`] },
    ],
  },
  'open while the host resets, idle devices awake': {
    topology: 'own-power',
    options: 'disable_idle_d3=1',
    setup: [`bind ${CARD}`, 'container C', `group G0 ${CARD}`, 'set_container G0 C', 'set_iommu C 3'],
    tasks: [
      { name: 'user0', ops: [`device D0 G0 ${CARD}`, 'close D0', `device D0 G0 ${CARD}`] },
      { name: 'host', ops: [`syswrite ${CARD}/reset 1`, `syswrite ${CARD}/reset 1`] },
    ],
  },
  'INTx taken away while the guest unmasks': {
    topology: 'own-power',
    options: '',
    setup: [
      ...open(CARD),
      'efd E0',
      'wr D0 cfg 4 2 0x406',
      'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0',
      `ring ${CARD} ${RING}`,
    ],
    tasks: [
      { name: 'user0', ops: ['wr D0 cfg 4 2 6', 'wr D0 cfg 4 2 0x406'] },
      {
        name: 'user1',
        ops: ['set_irqs D0 DNONE|TRIGGER intx 0 0', 'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0'],
      },
    ],
  },
  'MSI while memory decode changes': {
    topology: 'ports',
    options: '',
    setup: [...open(CARD), 'efd E0'],
    tasks: [
      {
        name: 'user0',
        ops: ['set_irqs D0 DEFD|TRIGGER msi 0 1 efd:E0', 'set_irqs D0 DNONE|TRIGGER msi 0 0'],
      },
      {
        name: 'user1',
        ops: ['wr D0 cfg 4 2 0', 'rd D0 cfg 4 2', 'rd D0 bar0 0 4', 'wr D0 cfg 4 2 6', 'rd D0 bar0 0 4'],
      },
    ],
  },
  'virtual functions opened and closed': {
    topology: 'sriov',
    options: 'enable_sriov=1',
    setup: [
      `bind ${CARD}`,
      `syswrite ${CARD}/sriov_numvfs 2`,
      'sleep 200',
      'container C',
      `group G0 ${CARD}`,
      'set_container G0 C',
      'set_iommu C 3',
      `device D0 G0 ${CARD}`,
      `feature D0 SET|VF_TOKEN data:${TOKEN.replaceAll('-', '')}`,
      `bind ${VF1}`,
      `bind ${VF2}`,
      `group G1 ${VF1}`,
      'set_container G1 C',
    ],
    tasks: [
      { name: 'user0', ops: [`device D1 G1 "${VF1} vf_token=${TOKEN}"`, 'close D1'] },
      { name: 'user1', ops: [`device D2 G1 "${VF2} vf_token=${TOKEN}"`, 'close D2'] },
    ],
  },
  'open while the host resets': {
    topology: 'own-power',
    options: '',
    setup: [`bind ${CARD}`, 'container C', `group G0 ${CARD}`, 'set_container G0 C', 'set_iommu C 3'],
    tasks: [
      { name: 'user0', ops: [`device D0 G0 ${CARD}`, 'close D0', `device D0 G0 ${CARD}`] },
      { name: 'host', ops: [`syswrite ${CARD}/reset 1`, `syswrite ${CARD}/reset 1`] },
    ],
  },
  'triggers of errors and requests': {
    topology: 'own-power',
    options: '',
    setup: [...open(CARD), 'efd E0', 'efd E1', 'set_irqs D0 DEFD|TRIGGER req 0 1 efd:E0'],
    tasks: [
      {
        name: 'user0',
        ops: ['set_irqs D0 DEFD|TRIGGER req 0 1 efd:E1', 'set_irqs D0 DNONE|TRIGGER req 0 1'],
      },
      {
        name: 'user1',
        ops: ['set_irqs D0 DEFD|TRIGGER req 0 1 efd:-1', 'set_irqs D0 DEFD|TRIGGER err 0 1 efd:E0'],
      },
    ],
  },
  'ROM and configuration': {
    topology: 'own-power',
    options: '',
    setup: [...open(CARD)],
    tasks: [
      { name: 'user0', ops: ['region D0 rom', 'wr D0 cfg 4 2 6', 'region D0 rom'] },
      { name: 'user1', ops: ['wr D0 cfg 4 2 0', 'wr D0 cfg 4 2 6', 'rd D0 bar0 0 4'] },
    ],
  },
};
