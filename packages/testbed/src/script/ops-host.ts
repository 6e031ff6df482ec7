// SPDX-License-Identifier: GPL-2.0-only
// The host: modules, drivers, sysfs, config space by the sysfs file.
import { sleep_ns } from '@vfio-lab/sim';
import { toHex } from './language.ts';
import type { Fields, OpSpec } from './ops.ts';
import { rcFields, type Session } from './session.ts';

const NS_PER_MS = 1_000_000;
const POLL_MS = 10;
const DEVICES = '/sys/bus/pci/devices';

/** Paths are relative to /sys/bus/pci/devices unless they start with a slash. */
const full = (path: string): string => (path.startsWith('/') ? path : `${DEVICES}/${path}`);

/** The text of a sysfs file without the newline, null when it cannot be read. */
async function value(s: Session, path: string): Promise<string | null> {
  const r = await s.testbed.sysfsRead(full(path));
  return typeof r === 'number' ? null : r.replace(/\n+$/, '');
}

async function write(s: Session, path: string, text: string): Promise<number> {
  return s.testbed.sysfsWrite(full(path), text);
}

const PM_FILES = [
  ['power_state', 'power_state'],
  ['runtime_status', 'power/runtime_status'],
  ['runtime_usage', 'power/runtime_usage'],
  ['runtime_active_kids', 'power/runtime_active_kids'],
  ['runtime_enabled', 'power/runtime_enabled'],
  ['control', 'power/control'],
  ['d3cold_allowed', 'd3cold_allowed'],
  ['wakeup', 'power/wakeup'],
] as const;

export const hostOps: OpSpec[] = [
  {
    name: 'load_vfio',
    args: {},
    rest: 'options',
    async run(s, a) {
      return rcFields(await s.testbed.loadVfio(a.options as string));
    },
  },
  {
    name: 'insmod',
    args: {},
    rest: 'module',
    async run(s, a) {
      const [name, ...options] = (a.module as string).split(/\s+/);
      return rcFields(await s.testbed.loadModule(name, options));
    },
  },
  {
    name: 'rmmod',
    args: { M: 'name' },
    async run(s, a) {
      return rcFields(await s.testbed.removeModule(a.M as string));
    },
  },
  {
    name: 'bind',
    args: { BDF: 'bdf', 'driver?': 'text' },
    options: { driver: 'text' },
    async run(s, a): Promise<Fields> {
      const bdf = a.BDF as string;
      const override = await write(
        s,
        `${bdf}/driver_override`,
        (a.driver as string | undefined) ?? 'vfio-pci',
      );
      const bound = s.testbed.driverOf(bdf) !== '';
      const unbind = bound ? await write(s, `${bdf}/driver/unbind`, bdf) : 0;
      const probe = await write(s, '/sys/bus/pci/drivers_probe', bdf);
      return {
        override,
        ...(bound && { unbind }),
        ...rcFields(probe),
        driver: s.testbed.driverOf(bdf),
        group: s.testbed.groupOf(bdf),
      };
    },
  },
  {
    name: 'unbind',
    args: { BDF: 'bdf' },
    async run(s, a) {
      const bdf = a.BDF as string;
      const ret = await write(s, `${bdf}/driver/unbind`, bdf);
      await write(s, `${bdf}/driver_override`, '\n');
      return { ...rcFields(ret), driver: s.testbed.driverOf(bdf) };
    },
  },
  {
    name: 'driver',
    args: { BDF: 'bdf' },
    run: (s, a) => Promise.resolve({ driver: s.testbed.driverOf(a.BDF as string) }),
  },
  {
    name: 'sysread',
    args: { P: 'text' },
    async run(s, a) {
      const r = await s.testbed.sysfsRead(full(a.P as string));
      return typeof r === 'number' ? rcFields(r) : { rc: r.length, value: r.replace(/\n+$/, '') };
    },
  },
  {
    name: 'syswrite',
    args: { P: 'text', V: 'text' },
    async run(s, a) {
      return rcFields(await write(s, a.P as string, a.V as string));
    },
  },
  {
    name: 'syslist',
    args: { P: 'text' },
    run: (s, a) => Promise.resolve({ entries: s.testbed.sysfsList(full(a.P as string)) }),
  },
  {
    name: 'syswait',
    args: { P: 'text', V: 'text', 'ms?': 'ms' },
    async run(s, a) {
      const limit = (a.ms as number | undefined) ?? 2000;
      let now = await value(s, a.P as string);
      for (let waited = 0; now !== a.V && waited < limit; waited += POLL_MS) {
        await sleep_ns(POLL_MS * NS_PER_MS);
        now = await value(s, a.P as string);
      }
      return { ok: now === a.V, value: now };
    },
  },
  {
    name: 'pm',
    args: { BDF: 'bdf' },
    async run(s, a) {
      const fields: Fields = {};
      for (const [name, file] of PM_FILES) fields[name] = await value(s, `${a.BDF as string}/${file}`);
      return fields;
    },
  },
  {
    name: 'hostcfg_r',
    args: { BDF: 'bdf', OFF: 'num', LEN: 'length' },
    async run(s, a) {
      const r = await s.testbed.configRead(a.BDF as string, a.OFF as number, a.LEN as number);
      return typeof r === 'number' ? rcFields(r) : { rc: r.length, data: toHex(r) };
    },
  },
  {
    name: 'hostcfg_w',
    args: { BDF: 'bdf', OFF: 'num', LEN: 'length', VAL: 'num' },
    async run(s, a) {
      const bytes = Uint8Array.from(
        { length: a.LEN as number },
        (_, i) => Math.floor((a.VAL as number) / 2 ** (8 * i)) & 0xff,
      );
      return rcFields(await s.testbed.configWrite(a.BDF as string, a.OFF as number, bytes));
    },
  },
  {
    name: 'hostcfg_open',
    args: { H: 'name', BDF: 'bdf' },
    async run(s, a) {
      const ret = await s.user.open(`${DEVICES}/${a.BDF as string}/config`);
      await s.bind(a.H as string, ret);
      return ret < 0 ? rcFields(ret) : { rc: 0 };
    },
  },
];
