// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations of programs: those of the script language, and what scripts cannot say: low power in the words of the
 * revision that runs, and what a device does by itself.
 */
import { device_lock, device_unlock, errno_name } from '@vfio-lab/kernel';
import { pci_channel_io_normal } from '@vfio-lab/pci';
import { access } from '@vfio-lab/sim';
import {
  type Fields,
  lowPowerOf,
  OPS,
  type OpSpec,
  parseScript,
  type ScriptOp,
  type Session,
  VfioDevice,
} from '@vfio-lab/testbed';

type Args = ScriptOp['args'];

function file(s: Session, a: Args): VfioDevice {
  const name = a.D as string;
  return new VfioDevice(s.user, s.fd(name), name);
}

/** Low power is an ioctl; v3 answers with 1, or with a positive errno. */
function answer(ret: number): Fields {
  return ret < 0 ? { rc: -1, err: errno_name(-ret) } : { rc: ret };
}

/** The hardware of a function; null when it is gone or without power: then it does nothing. */
async function hardware(
  s: Session,
  a: Args,
): Promise<ReturnType<Session['testbed']['pciDevice']>['hw'] | null> {
  const { hw } = s.testbed.pciDevice(a.BDF as string);
  await access(hw.obj, true, 'hw');
  return hw.has_power() ? hw : null;
}

const EXTRA: OpSpec[] = [
  {
    name: 'lp_enter',
    args: { D: 'name' },
    options: { wake: 'text', stay: 'word' },
    colon: ['wake'],
    async run(s, a) {
      const low = lowPowerOf(s.testbed.revision);
      return answer(
        await low.enter(file(s, a), {
          ...(a.wake !== undefined && low.has.wakeup && { wakeup: s.fd(a.wake as string) }),
          ...(a.stay === true && low.has.reentryDisable && { reentryDisable: true }),
        }),
      );
    },
  },
  {
    name: 'lp_exit',
    args: { D: 'name' },
    async run(s, a) {
      return answer(await lowPowerOf(s.testbed.revision).exit(file(s, a)));
    },
  },
  {
    // The device writes one of its registers: it wants its interrupt, or no longer.
    name: 'ring',
    args: { BDF: 'bdf', REG: 'num' },
    async run(s, a) {
      (await hardware(s, a))?.model?.mmio_write?.(0, a.REG as number, 4, 1);
      return {};
    },
  },
  {
    // The interrupt pin changes by itself, whatever the registers say.
    name: 'level',
    args: { BDF: 'bdf', ON: 'num' },
    async run(s, a) {
      const hw = await hardware(s, a);
      if (a.ON === 0) hw?.lower_intx();
      else hw?.raise_intx();
      return {};
    },
  },
  {
    // The root port tells of an error of the device. C: drivers/pci/pcie/err.c report_error_detected()
    name: 'aer',
    args: { BDF: 'bdf' },
    async run(s, a) {
      const pdev = s.testbed.pciDevice(a.BDF as string);
      await device_lock(pdev.dev);
      await pdev.driver?.err_handler?.error_detected?.(pdev, pci_channel_io_normal);
      await device_unlock(pdev.dev);
      return {};
    },
  },
  {
    name: 'pme',
    args: { BDF: 'bdf' },
    async run(s, a) {
      (await hardware(s, a))?.pme();
      return {};
    },
  },
];

/** Every operation that a program may have, by name. */
export const OPERATIONS: ReadonlyMap<string, OpSpec> = new Map([
  ...OPS,
  ...EXTRA.map((spec) => [spec.name, spec] as const),
]);

/** Read lines of a program. Throws InputError naming the line. */
export function parseLines(lines: readonly string[], where: string): ScriptOp[] {
  return parseScript(lines.join('\n'), where, OPERATIONS).ops;
}
