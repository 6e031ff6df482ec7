// SPDX-License-Identifier: GPL-2.0-only
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { compareTraces, readIndex, readMachineFile, readTrace, type TraceLine } from '../src/index.ts';

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
    });
  });

  it('leaves out volatile lines and what is a detail of the host', () => {
    const theirs = [
      line(1, 'irqs', { value: '24' }),
      line(2, 'note x', { note: true }),
      line(3, 'sh true', { rc: 0 }),
      line(4, 'rd D cfg 0 4', { rc: 4 }),
    ];
    expect(compareTraces([], theirs, { volatile: [4] })).toEqual({ equal: 0, compared: 0, differences: [] });
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
