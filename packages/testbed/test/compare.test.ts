// SPDX-License-Identifier: GPL-2.0-only
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  bootsOf,
  compareTraces,
  earlierInBoot,
  type IndexEntry,
  readIndex,
  readMachineFile,
  readTrace,
  recordingsDir,
  type ReplayRequest,
  type TraceLine,
} from '../src/index.ts';
import { fitTimes, type Times } from '../src/script/times.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'vfio-lab-'));
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, text: string): string {
  const f = path.join(dir, name);
  writeFileSync(f, text);
  return f;
}

const line = (n: number, op: string, rest: object = {}): TraceLine => ({ n, op, ...rest });
const pm = (n: number, usage: string, state: string): TraceLine =>
  line(n, 'pm 0000:01:00.0', {
    power_state: state,
    runtime_status: 'active',
    runtime_usage: usage,
    d3cold_allowed: '1',
  });

describe('compareTraces', () => {
  it('compares every field but the kernel log, and counts', () => {
    const ours = [line(1, 'info D', { rc: 0, kmsg: ['x'] }), line(2, 'reset D', { rc: -1, err: 'EIO' })];
    const theirs = [
      line(1, 'info D', { rc: 0 }),
      line(2, 'reset D', { rc: 0 }),
      line(3, 'close D', { rc: 0 }),
    ];
    expect(compareTraces(ours, theirs)).toEqual({
      equal: 1,
      compared: 3,
      differences: [
        { n: 2, op: 'reset D', expected: { rc: 0 }, got: { rc: -1, err: 'EIO' } },
        { n: 3, op: 'close D', expected: { rc: 0 }, got: null },
      ],
      excepted: [],
    });
  });

  it('leaves out volatile lines and what is a detail of the host', () => {
    const theirs = [
      line(1, 'irqs', { value: '24' }),
      line(2, 'note x', { note: true }),
      line(3, 'sh true', { rc: 0 }),
      line(4, 'rd D cfg 0 4', { rc: 4 }),
    ];
    expect(compareTraces([], theirs, { volatile: [4] })).toEqual({
      equal: 0,
      compared: 0,
      differences: [],
      excepted: [],
    });
  });

  it('a line that a later fix changed is compared only when it does not differ', () => {
    const ours = [line(1, 'a', { rc: 0 }), line(2, 'b', { rc: 0 })];
    const theirs = [line(1, 'a', { rc: 0 }), line(2, 'b', { rc: 1 })];
    expect(compareTraces(ours, theirs, { excepted: [1, 2] })).toEqual({
      equal: 1,
      compared: 1,
      differences: [],
      excepted: [{ n: 2, op: 'b', expected: { rc: 1 }, got: { rc: 0 } }],
    });
  });

  it('in a shared boot, what earlier scripts left and half-done idle work do not count', () => {
    const ours = [
      pm(1, '1', 'unknown'),
      line(2, 'bind 0000:01:00.0', { rc: 12 }),
      pm(3, '0', 'D0'),
      pm(4, '1', 'D0'),
    ];
    const theirs = [
      pm(1, '1', 'D0'),
      line(2, 'bind 0000:01:00.0', { rc: 12 }),
      pm(3, '0', 'D3hot'),
      pm(4, '1', 'D3hot'),
    ];
    expect(compareTraces(ours, theirs, { sharedBoot: true }).differences.map((d) => d.n)).toEqual([4]);
    expect(compareTraces(ours, theirs).differences.map((d) => d.n)).toEqual([1, 3, 4]);
  });
});

describe('bootsOf', () => {
  const entry = (trace: string, script: string, sharedBoot = true): IndexEntry => ({
    script: file(
      `${script}.vt`,
      script.startsWith('p3') ? '# x\ninsmod fakeid bdf=0000:01:00.0\n' : 'load_vfio\n',
    ),
    machine: '/m/A.json',
    revision: 'v7',
    against: path.join(dir, 'traces', trace, `${script}.A.jsonl`),
    name: script,
    machineName: 'A',
    ops: 1,
    sharedBoot,
  });

  it('puts scripts of one campaign together, and those alone that a kernel or a module wants alone', () => {
    const list = [
      entry('v7', '010_a'),
      entry('v7', 'p01_a'),
      entry('linux-6.1', '010_a', false),
      entry('linux-6.1', '011_b', false),
      entry('v7', '011_b'),
      entry('v7', 'p3_fake'),
      entry('v5', '010_a'),
      entry('v7', 'p05_b'),
    ];
    const names = bootsOf(list).map((boot) => boot.map((e) => list.indexOf(e)));
    expect(names).toEqual([[0, 4], [1, 7], [2], [3], [5], [6]]);
  });
});

describe('earlierInBoot', () => {
  const own = recordingsDir();
  const request = (trace: string, script: string, machine: string): ReplayRequest => ({
    script: path.join(own, 'scripts', `${script}.vt`),
    machine: path.join(own, 'machines', `${machine}.json`),
    revision: 'v7',
    against: path.join(dir, 'traces', trace, `${script}.${machine}.jsonl`),
  });

  it('knows the boots of the recordings that are kept here, also for one that is not', () => {
    const names = (r: ReplayRequest): string[] => earlierInBoot(r).map((e) => e.name);
    expect(names(request('v7', '065_msix_e1000e', 'machineA')).slice(-3)).toEqual([
      '062_intx_shared',
      '063_intx_nomask',
      '064_msi_edu',
    ]);
    const [first] = names(request('v4.6', 'p12_new', 'machineP'));
    expect(first).toBe('p01_pm_validate');
    expect(names(request('v4.6', 'p12_new', 'machineX'))).toEqual([]);
    expect(names(request('linux-6.1.192', '063_intx_nomask', 'machineA'))).toEqual([]);
  });
});

describe('fitTimes', () => {
  const lines = [2, 4, 6, 8];
  /** A run in which line 6 comes out as recorded when line 4 starts late, and line 8 when it starts at once. */
  const run = (runs: Times[], slow: number) => (times: Times) => {
    runs.push(times);
    const wrong = [
      ...((times.get(4) ?? 60e3) >= slow ? [] : [6]),
      ...((times.get(8) ?? 60e3) <= 2e3 ? [] : [8]),
    ];
    const differences = wrong.map((n) => ({ n, op: '', expected: 0, got: 1 }));
    return Promise.resolve({ equal: 4 - wrong.length, compared: 4, differences, excepted: [], times });
  };

  it('finds the time before the operation that differs, or before the one that precedes it', async () => {
    const runs: Times[] = [];
    const best = await fitTimes(lines, run(runs, 1e6));
    expect(best.differences).toEqual([]);
    expect([...best.times]).toEqual([
      [4, 20e6],
      [8, 2e3],
    ]);
    expect(runs.length).toBe(6);
  });

  it('leaves a difference that no time explains, without trying long', async () => {
    const runs: Times[] = [];
    const best = await fitTimes(lines, run(runs, Infinity));
    expect([[...best.times], best.differences.map((d) => d.n)]).toEqual([[[8, 2e3]], [6]]);
    expect(runs.length).toBeLessThan(10);
  });
});

describe('faults in files', () => {
  it('a recording names the line', () => {
    expect(() => readTrace(path.join(dir, 'none'))).toThrow('cannot be read');
    expect(() => readTrace(file('a.jsonl', '{"n":1,"op":"x"}\n{oops\n'))).toThrow(/not JSON: .*a\.jsonl:2/);
    expect(() => readTrace(file('b.jsonl', '{"n":1}\n'))).toThrow(/no "n" and "op": .*b\.jsonl:1/);
  });

  it('a machine names the member', () => {
    const device = {
      bdf: '0000:00:00.0',
      path: '/sys/devices/pci0000:00/0000:00:00.0',
      config: '00'.repeat(256),
      attrs: {},
    };
    const machine = (d: object): string => file('m.json', JSON.stringify({ devices: [d] }));
    expect(readMachineFile(machine(device)).devices[0].config).toHaveLength(256);
    expect(() => readMachineFile(machine({ ...device, bdf: '0:0.0' }))).toThrow('"bdf" is not a PCI address');
    expect(() => readMachineFile(machine({ ...device, path: '/x' }))).toThrow('"path" is not a sysfs path');
    expect(() => readMachineFile(machine({ ...device, config: 'zz' }))).toThrow(
      '"config" is not 256 or 4096 bytes',
    );
    expect(() => readMachineFile(machine({ ...device, attrs: 1 }))).toThrow('"attrs" is not an object');
    expect(() => readMachineFile(file('m.json', JSON.stringify({ devices: [device, device] })))).toThrow(
      'two devices at 0000:00:00.0',
    );
    expect(() => readMachineFile(file('m.json', '{"devices": 3}'))).toThrow('no array "devices"');
    expect(() => readMachineFile(file('m.json', '[]'))).toThrow('not a JSON object');
    expect(() => readMachineFile(file('m.json', '{\n"devices": [,]}'))).toThrow(/not JSON: .*m\.json/);
  });

  it('masks beside a machine are read by offset, and beyond the measured bytes taken as writable', () => {
    const device = {
      bdf: '0000:00:00.0',
      path: '/sys/devices/pci0000:00/0000:00:00.0',
      config: '00'.repeat(4096),
      attrs: {},
    };
    const machine = file('w.json', JSON.stringify({ devices: [device] }));
    file(
      'w.wmask.json',
      JSON.stringify({ '0000:00:00.0': { wmask: { '0x4': '07', '0x1ff': '0f' }, w1c: { '0x7': 'f9' } } }),
    );
    const [d] = readMachineFile(machine).devices;
    expect([d.wmask?.[4], d.wmask?.[5], d.wmask?.[0x1ff], d.wmask?.[0x200], d.w1c?.[7]]).toEqual([
      7, 0, 0x0f, 0xff, 0xf9,
    ]);
    file('w.wmask.json', JSON.stringify({ '0000:00:00.0': { wmask: { zz: '07' } } }));
    expect(() => readMachineFile(machine)).toThrow('"zz": "07" is not an offset with a byte');
  });

  it('an index names the entry', () => {
    expect(() => readIndex(dir)).toThrow('no index of recordings');
    file('index.json', JSON.stringify([{ script: 'a.vt', trace: 't' }]));
    expect(() => readIndex(dir)).toThrow('entry 0 lacks "machine"');
    file(
      'index.json',
      JSON.stringify([{ script: 's/a.vt', trace: 't/a', machine: 'm/A.json', revision: 'v4.6', ops: 3 }]),
    );
    expect(readIndex(dir)[0]).toMatchObject({
      name: 'a',
      machineName: 'A',
      revision: 'v4.6',
      sharedBoot: true,
      ops: 3,
    });
  });
});
