// SPDX-License-Identifier: GPL-2.0-only
// Every call in every state of the device: what the user gets, and whether it wakes the device.
import {
  VFIO_DEVICE_FEATURE,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_GET_IRQ_INFO,
  VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
  VFIO_DEVICE_GET_REGION_INFO,
  VFIO_DEVICE_IOEVENTFD,
} from '@vfio-lab/headers';
import { EINVAL, errno_name } from '@vfio-lab/kernel';
import { BAD_POINTER, lowPowerOf } from '@vfio-lab/testbed';
import { type Bench, CARD, ok, PMCSR, runBench } from '../claims/bench.ts';
import { enterOnly, exitOnly, probe, set } from '../claims/say.ts';

/** What a call came to in a state. */
export interface ErrnoCell {
  /** 'ok', the name of an errno ('EIO', '+EINVAL' for a positive one), or a signal. */
  result: string;
  /** The device was resumed for it. */
  wakes: boolean;
  /** What the checkers of the lab said. */
  findings: string[];
}

export interface ErrnoMatrix {
  revision: string;
  states: string[];
  calls: string[];
  /** By state and call. A state that the revision cannot get into is left out. */
  cells: Record<string, Record<string, ErrnoCell>>;
}

export interface ErrnoDifference {
  state: string;
  call: string;
  a: string;
  b: string;
}

interface DeviceState {
  readonly name: string;
  /** Can the revision get there? Default: yes. */
  reachable?(rev: string): boolean;
  /** The device is not open: only opening it makes sense. */
  readonly closed?: true;
  prepare(b: Bench): Promise<unknown>;
}

const low = (rev: string): boolean => lowPowerOf(rev).has.lowPower;

const STATES: readonly DeviceState[] = [
  { name: 'not open', closed: true, prepare: () => Promise.resolve() },
  { name: 'not open, resume fails', closed: true, prepare: (b) => b.tamper('err') },
  { name: 'open, D0', prepare: () => Promise.resolve() },
  { name: 'memory decode off', prepare: (b) => b.dev.writeConfig(4, 2, 0) },
  { name: 'INTx in use', prepare: async (b) => b.dev.setTrigger(0, await b.user.eventfd()) },
  { name: 'D3hot by the guest', prepare: (b) => b.dev.writeConfig(PMCSR, 2, 3) },
  { name: 'runtime PM off', prepare: (b) => b.tamper('disable') },
  { name: 'resume error', prepare: (b) => b.tamper('err') },
  { name: 'engaged, asleep', reachable: low, prepare: (b) => b.sleep() },
  {
    name: 'engaged, kept awake',
    reachable: low,
    prepare: async (b) => {
      await b.control('on');
      await b.sleep();
    },
  },
  {
    name: 'engaged, asleep, resume fails',
    reachable: low,
    prepare: async (b) => {
      await b.sleep();
      await b.tamper('err');
    },
  },
  {
    name: 'asleep, wake to be told',
    reachable: (rev) => lowPowerOf(rev).has.wakeup,
    prepare: async (b) => {
      await b.enterNotified();
      await b.settle();
    },
  },
  {
    name: 'woken and told',
    reachable: (rev) => lowPowerOf(rev).has.wakeup,
    prepare: async (b) => {
      await b.enterNotified();
      await b.settle();
      await b.lspci();
    },
  },
  {
    name: 'held awake by the flag',
    reachable: (rev) => lowPowerOf(rev).has.reentryDisable,
    prepare: async (b) => {
      await b.enter({ reentryDisable: true });
      await b.settle();
      await b.lspci();
    },
  },
  {
    name: 'after EXIT',
    reachable: low,
    prepare: async (b) => {
      await b.sleep();
      await b.exit();
      await b.settle();
    },
  },
];

const words = (...w: number[]): Uint8Array => new Uint8Array(Uint32Array.from(w).buffer);
const feature = async (b: Bench, flags: number, size: number): Promise<number> =>
  (await b.dev.feature(flags, new Uint8Array(size))).ret;

/** Calls by name, those that leave the device as it is first. */
const CALLS: Readonly<Record<string, (b: Bench) => Promise<number | string>>> = {
  GET_INFO: (b) => b.dev.numIrqs(),
  'GET_REGION_INFO BAR 0': async (b) =>
    (await b.user.ioctlBytes(b.dev.fd, VFIO_DEVICE_GET_REGION_INFO, words(32, 0, 0, 0, 0, 0, 0, 0))).ret,
  'GET_REGION_INFO 9': async (b) =>
    (await b.user.ioctlBytes(b.dev.fd, VFIO_DEVICE_GET_REGION_INFO, words(32, 0, 9, 0, 0, 0, 0, 0))).ret,
  'GET_IRQ_INFO INTx': async (b) =>
    (await b.user.ioctlBytes(b.dev.fd, VFIO_DEVICE_GET_IRQ_INFO, words(16, 0, 0, 0))).ret,
  'GET_IRQ_INFO 5': async (b) =>
    (await b.user.ioctlBytes(b.dev.fd, VFIO_DEVICE_GET_IRQ_INFO, words(16, 0, 5, 0))).ret,
  'GET_IRQ_INFO 6': async (b) =>
    (await b.user.ioctlBytes(b.dev.fd, VFIO_DEVICE_GET_IRQ_INFO, words(16, 0, 6, 0))).ret,
  GET_PCI_HOT_RESET_INFO: async (b) =>
    (
      await b.user.ioctlBytes(
        b.dev.fd,
        VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
        words(64, ...new Array<number>(15).fill(0)),
      )
    ).ret,
  'an unknown ioctl': (b) => b.user.ioctl(b.dev.fd, 0x3bff),
  'a bad pointer': (b) => b.user.ioctl(b.dev.fd, VFIO_DEVICE_FEATURE, BAD_POINTER),
  'FEATURE argsz 4': async (b) => (await b.user.ioctlBytes(b.dev.fd, VFIO_DEVICE_FEATURE, words(4, 0))).ret,
  'FEATURE GET and SET': (b) => feature(b, VFIO_DEVICE_FEATURE_GET | (1 << 17) | 3, 8),
  'FEATURE unknown flag': (b) => feature(b, (1 << 20) | 3, 8),
  'PROBE GET 3': (b) => probe(b.dev, 3, 'GET'),
  'PROBE SET 3': (b) => probe(b.dev, 3),
  'PROBE SET 4': (b) => probe(b.dev, 4),
  'PROBE SET 5': (b) => probe(b.dev, 5),
  'PROBE SET 6': (b) => probe(b.dev, 6),
  'GET 3': (b) => feature(b, VFIO_DEVICE_FEATURE_GET | 3, 8),
  'GET migration': (b) => feature(b, VFIO_DEVICE_FEATURE_GET | 1, 8),
  'SET 3, 4 bytes': (b) => set(b.dev, 3, 0),
  'SET 3, all bits': (b) => set(b.dev, 3, 0xffffffff, 0),
  'SET 3, 0': (b) => set(b.dev, 3, 0, 0),
  'SET 4, fd -1': (b) => set(b.dev, 4, 0xffffffff, 0),
  'SET 4, fd 9999': (b) => set(b.dev, 4, 9999, 0),
  'SET 4, no payload': (b) => set(b.dev, 4),
  'read config': (b) => b.dev.readConfig(0, 4),
  'read memory BAR': (b) => b.dev.read('bar0', 0, 4),
  'read I/O BAR': (b) => b.dev.read('bar1', 0, 4),
  'read ROM': (b) => b.dev.read('rom', 0, 4),
  'write ROM': (b) => b.dev.write('rom', 0, 4, 0),
  'read VGA': (b) => b.dev.read('vga', 0x3c0, 1),
  'read region 9': async (b) => (await b.user.pread(b.dev.fd, 4, 9 * 2 ** 40)).ret,
  'read 0 bytes': async (b) => (await b.user.pread(b.dev.fd, 0, 7 * 2 ** 40)).ret,
  'write memory BAR': (b) => b.dev.write('bar0', 0x40, 4, 1),
  'write config byte': (b) => b.dev.writeConfig(0x0c, 1, 8),
  'touch a mapping': async (b) => {
    const addr = await b.dev.mmap('bar0', 4096);
    if (addr < 0) return addr;
    const seen = await b.touch(addr);
    await b.user.munmap(addr, 4096);
    return typeof seen === 'string' ? seen : 0;
  },
  'SET_IRQS REQ': async (b) => b.dev.setTrigger(4, await b.user.eventfd()),
  'SET_IRQS 5': async (b) => b.dev.setTrigger(5, await b.user.eventfd()),
  'SET_IRQS INTx mask': (b) => b.dev.maskIrq(0),
  'SET_IRQS INTx on': async (b) => b.dev.setTrigger(0, await b.user.eventfd()),
  'SET_IRQS INTx off': (b) => b.dev.disableIrq(0),
  IOEVENTFD: async (b) =>
    (
      await b.user.ioctlBytes(
        b.dev.fd,
        VFIO_DEVICE_IOEVENTFD,
        words(32, 4, 8, 0, 1, 0, await b.user.eventfd(), 0),
      )
    ).ret,
  RESET: (b) => b.dev.reset(),
  PCI_HOT_RESET: (b) => b.dev.hotReset([...b.lab.session.groups.values()]),
  'write D3hot': (b) => b.dev.writeConfig(PMCSR, 2, 3),
  'write D0': (b) => b.dev.writeConfig(PMCSR, 2, 0),
  'ENTER alone': (b) => enterOnly(b),
  ENTER: (b) => b.enter(),
  'ENTER with an eventfd': async (b) => set(b.dev, 4, await b.user.eventfd(), 0),
  'ENTER, no re-entry': (b) => set(b.dev, 3, 5, 0),
  'SET 3, ENTER and EXIT': (b) => set(b.dev, 3, 3, 0),
  EXIT: (b) => exitOnly(b),
  close: (b) => b.dev.close(),
};

const OPEN = 'open the device';

function resultText(ret: number | string): string {
  if (typeof ret === 'string') return ret;
  if (ret < 0) return errno_name(-ret);
  return ok(ret) ? 'ok' : '+EINVAL';
}

/** What a call may leave behind. */
function snapshot(b: Bench): string {
  const own = Object.entries(b.vdev).filter(
    ([, v]) => typeof v === 'boolean' || typeof v === 'number' || v === null,
  );
  return JSON.stringify([
    b.state(),
    own,
    Buffer.from(b.vdev.vconfig ?? []).toString('hex'),
    [...b.pdev.hw.config.subarray(0, 64)],
  ]);
}

/** Names of the states that a matrix has, and of the calls. */
export const ERRNO_STATES: readonly string[] = STATES.map((s) => s.name);
export const ERRNO_CALLS: readonly string[] = [OPEN, ...Object.keys(CALLS)];

/** Make every call in every state of one revision. Throws InputError for an unknown revision. */
export async function errnoMatrix(rev: string): Promise<ErrnoMatrix> {
  const cells: ErrnoMatrix['cells'] = {};
  for (const state of STATES) {
    if (state.reachable?.(rev) === false) continue;
    cells[state.name] = state.closed ? { [OPEN]: await openCell(rev, state) } : await row(rev, state);
  }
  return { revision: rev, states: Object.keys(cells), calls: [...ERRNO_CALLS], cells };
}

async function openCell(rev: string, state: DeviceState): Promise<ErrnoCell> {
  const run = await runBench(
    rev,
    async (b) => {
      await b.lab.bind(CARD);
      await state.prepare(b);
      const before = b.resumes;
      let result = 'ok';
      try {
        await b.lab.open(CARD);
      } catch (error) {
        result = resultText(
          Number(/-\d+$/.exec(error instanceof Error ? error.message : '')?.[0] ?? -EINVAL),
        );
      }
      const wakes = b.resumes > before;
      await b.tamper('clear');
      return { result, wakes };
    },
    { topology: 'ports', open: [] },
  );
  return {
    result: 'no end',
    wakes: false,
    ...run.value,
    findings: [...new Set(run.findings.map((f) => f.kind))],
  };
}

/** One machine serves as many calls as leave the device as it was. */
async function row(rev: string, state: DeviceState): Promise<Record<string, ErrnoCell>> {
  const cells: Record<string, ErrnoCell> = {};
  const names = Object.keys(CALLS);
  for (let next = 0; next < names.length;) {
    const first = next;
    const run = await runBench(
      rev,
      async (b) => {
        await b.dev.writeConfig(4, 2, 7);
        await state.prepare(b);
        await b.settle();
        const before = snapshot(b);
        const { findings } = b.testbed.machine;
        for (; next < names.length; next++) {
          const resumes = b.resumes;
          const known = findings.length;
          const ret = await CALLS[names[next]](b);
          const wakes = b.resumes > resumes;
          await b.settle();
          cells[names[next]] = {
            result: resultText(ret),
            wakes,
            findings: [...new Set(findings.slice(known).map((f) => f.kind))],
          };
          if (names[next] === 'close' || snapshot(b) !== before) {
            next++;
            break;
          }
        }
        await b.tamper('clear');
      },
      { topology: 'ports' },
    );
    if (run.value === undefined && next === first) {
      cells[names[next]] ??= {
        result: 'no end',
        wakes: false,
        findings: [...new Set(run.findings.map((f) => f.kind))],
      };
      next++;
    }
  }
  return cells;
}

/** A cell in words: 'EIO', 'ok, wakes'. */
export function cellText(cell: ErrnoCell | undefined): string {
  if (cell === undefined) return 'no such state';
  return [cell.result, ...(cell.wakes ? ['wakes'] : []), ...cell.findings].join(', ');
}

/** The cells that differ, and the states that only one of the two can get into (call ''). */
export function errnoDifferences(a: ErrnoMatrix, b: ErrnoMatrix): ErrnoDifference[] {
  const list: ErrnoDifference[] = [];
  for (const state of ERRNO_STATES) {
    const inA = a.cells[state];
    const inB = b.cells[state];
    if (inA === undefined || inB === undefined) {
      if (inA !== inB)
        list.push({
          state,
          call: '',
          a: inA === undefined ? 'no such state' : 'reachable',
          b: inB === undefined ? 'no such state' : 'reachable',
        });
      continue;
    }
    for (const call of ERRNO_CALLS) {
      const textA = cellText(inA[call]);
      const textB = cellText(inB[call]);
      if (textA !== textB) list.push({ state, call, a: textA, b: textB });
    }
  }
  return list;
}
