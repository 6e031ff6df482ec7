// SPDX-License-Identifier: GPL-2.0-only
import path from 'node:path';
import { InputError } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import {
  bootTestbed,
  parseScript,
  readMachineFile,
  recordingsDir,
  runScript,
  runScriptChecked,
  topology,
  topologyAbout,
  topologyNames,
  type TraceLine,
} from '../src/index.ts';

const GPU = '0000:01:00.0';
const OPEN = `load_vfio
bind ${GPU}
bind 0000:01:00.1
container C
group G ${GPU}
set_container G C
set_iommu C 1
device D G ${GPU}
`;

async function run(text: string, revision = 'v4', name = 'gpu'): Promise<TraceLine[]> {
  const lines: TraceLine[] = [];
  const testbed = await bootTestbed({ revision, topology: name });
  await runScript(testbed, parseScript(text, 'test.vt'), (line) => lines.push(line));
  expect(testbed.machine.findings).toEqual([]);
  return lines;
}

const fault = (text: string): string => {
  try {
    parseScript(text, 'x.vt');
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return (error as Error).message;
  }
  return 'no fault';
};

describe('runScriptChecked', () => {
  const check = async (text: string, fault = ''): Promise<string[]> => {
    const testbed = await bootTestbed({ revision: 'v4', topology: 'gpu' });
    const found = await runScriptChecked(testbed, parseScript(text, 'test.vt'), (line) => {
      if (line.op === fault) testbed.pciDevice(GPU).dev.power.usage_count.counter++;
    });
    return found.map((f) => f.text);
  };

  it('is silent on a script that leaves nothing behind', async () => {
    expect(await check(OPEN)).toEqual([]);
    expect(await check('sleep 1\n')).toEqual([]);
  });

  it('says what is not at rest when the script is over', async () => {
    expect(await check(OPEN, `device D G ${GPU}`)).toEqual([`${GPU}: usage count 1 at rest, not 0`]);
  });
});

describe('parseScript', () => {
  it('keeps line numbers, drops comments, takes quoted tokens and background tags', () => {
    const { ops } = parseScript(
      '# one\n\ncontainer C\nbg T device D9 G "0000:01:00.0 vf_token=1"\r\nnote a "b" c\n',
      'x.vt',
    );
    expect(ops.map((o) => [o.n, o.op, o.bg])).toEqual([
      [3, 'container C', undefined],
      [4, 'device D9 G "0000:01:00.0 vf_token=1"', 'T'],
      [5, 'note a "b" c', undefined],
    ]);
    expect(ops[1].args).toEqual({ D: 'D9', G: 'G', STRING: '0000:01:00.0 vf_token=1' });
  });

  it('reads flags, regions, interrupts, 64-bit numbers and hex', () => {
    const { ops } = parseScript(
      'set_irqs D DEFD|TRIGGER msix 0 2 efd:A,-1\nwr D cfg 0xcc 2 3\ndma_map C 0xfffffffffffff000 4096 READ|WRITE\nwrb D bar2 0 00ff\n',
      'x.vt',
    );
    expect(ops[0].args).toEqual({ D: 'D', FLAGS: 36, IRQ: 2, START: 0, COUNT: 2, efd: ['A', '-1'] });
    expect(ops[1].args).toEqual({ D: 'D', REGION: 7, OFF: 0xcc, LEN: 2, VALUE: 3n });
    expect(ops[2].args).toEqual({ C: 'C', IOVA: 0xfffffffffffff000n, SIZE: 4096n, FLAGS: 3 });
    expect(ops[3].args).toEqual({ D: 'D', REGION: 2, OFF: 0, HEX: Uint8Array.of(0, 255) });
  });

  it('says what is wrong, where, and how to mend it', () => {
    expect(fault('container C\nlaod_vfio')).toBe(
      'unknown operation "laod_vfio": x.vt:2: did you mean load_vfio?',
    );
    expect(fault('rd D cfg 0')).toBe('rd lacks LEN: x.vt:1: write rd D REGION OFF LEN');
    expect(fault('rd D cfg 0 4 9')).toContain('rd does not take "9": x.vt:1');
    expect(fault('rd D conf 0 4')).toContain('REGION "conf" is not one of bar0');
    expect(fault('bind 1:0.0')).toContain('is not a PCI address');
    expect(fault('set_irqs D FOO msi 0 1')).toContain('FLAGS "FOO" is not flags');
    expect(fault('wrb D cfg 0 abc')).toContain('not an even number of hex digits');
    expect(fault('device D G "x')).toContain('a quote is not closed: x.vt:1');
    expect(fault('bg T')).toContain('bg needs a tag and an operation');
    expect(fault('zzzzzzzz')).toContain('see `vfio-lab run --help`');
  });
});

describe('runScript', () => {
  it('prints what the system calls gave', async () => {
    const lines = await run(
      `${OPEN}info D\nrd D cfg 0 4\nrd D cfg 0 0\nrd D 9 0 4\nlseek D 0\nclose D\nclose D\n`,
      'base',
    );
    expect(lines.slice(8)).toEqual([
      { n: 9, op: 'info D', rc: 0, argsz: 20, flags: 2, num_regions: 9, num_irqs: 5, cap_offset: 0 },
      { n: 10, op: 'rd D cfg 0 4', rc: 4, data: 'de10b81e' },
      { n: 11, op: 'rd D cfg 0 0', rc: 0 },
      { n: 12, op: 'rd D 9 0 4', rc: -1, err: 'EINVAL' },
      { n: 13, op: 'lseek D 0', rc: -1, err: 'ESPIPE' },
      { n: 14, op: 'close D', rc: 0 },
      { n: 15, op: 'close D', rc: -1, err: 'EBADF' },
    ]);
  });

  it('runs v4 low power to D3cold and back', async () => {
    const lines = await run(
      `${OPEN}feature D SET|3 data:0100000000000000
syswait ${GPU}/power/runtime_status suspended 1000
sleep 300
pm ${GPU}
mmap M D bar0 0 0x1000 rw
mrd M 0 4
feature D SET|3 data:0200000000000000
mrd M 0 4
`,
    );
    expect(lines[9]).toMatchObject({ ok: true, value: 'suspended' });
    expect(lines[11]).toMatchObject({ power_state: 'D3cold', runtime_usage: '0' });
    expect(lines[13]).toEqual({ n: 14, op: 'mrd M 0 4', signal: 'SIGBUS', si_code: 2, addr_off: '0x0' });
    expect(lines[15].value).toMatch(/^0x/);
  });

  it('background operations finish when they can, under their tag', async () => {
    const lines = await run(
      `${OPEN}bg U unbind ${GPU}\nbgstat U\nclose D\njoin U 5000\ndriver ${GPU}\n`,
      'base',
    );
    const op = (name: string): TraceLine | undefined => lines.find((l) => l.op.startsWith(name));
    expect(op('bgstat')).toMatchObject({ done: false });
    expect(op('unbind')).toMatchObject({ bg: 'U', rc: 12, driver: '' });
    expect(op('join')).toMatchObject({ done: true });
  });

  it('host drivers come and go with their modules, and bind takes the name of one in both forms', async () => {
    const testbed = await bootTestbed({
      revision: 'v7',
      machine: readMachineFile(path.join(recordingsDir(), 'machines', 'machineA.json')),
      kernel: 'v6.1.192',
    });
    const lines: TraceLine[] = [];
    const nic = '0000:06:00.0';
    const text = `insmod e1000e
driver ${nic}
rmmod e1000e
driver ${nic}
rmmod e1000e
insmod fakeid bdf=${nic} vendor=x
insmod pci-stub
bind ${nic} driver=pci-stub
unbind ${nic}
bind ${nic} pci-stub
`;
    await runScript(testbed, parseScript(text, 'h.vt'), (l) => lines.push(l));
    expect(lines.map(({ rc, err, driver }) => err ?? driver ?? rc)).toEqual([
      0,
      'e1000e',
      0,
      '',
      'ENOENT',
      'EINVAL',
      0,
      'pci-stub',
      '',
      'pci-stub',
    ]);
  });

  it('the same script gives the same lines', async () => {
    const text = `${OPEN}feature D SET|3 data:0100000000000000\nsleep 100\npm ${GPU}\nhostcfg_r ${GPU} 0 64\nclose D\n`;
    expect(JSON.stringify(await run(text))).toBe(JSON.stringify(await run(text)));
  });
});

describe('topologies', () => {
  it.each(topologyNames())('%s boots on the base', async (name) => {
    expect(topologyAbout(name)).not.toBe('');
    expect(topology(name).devices.length).toBeGreaterThan(2);
    const testbed = await bootTestbed({ revision: 'base', topology: name });
    expect(testbed.machine.findings).toEqual([]);
  });

  it('unknown names, revisions and parameters are faults of the user', async () => {
    await expect(bootTestbed({ revision: 'v4', topology: 'moon' })).rejects.toThrow('no topology "moon"');
    await expect(bootTestbed({ revision: 'v99' })).rejects.toBeInstanceOf(InputError);
    await expect(bootTestbed({ revision: 'v4', options: 'nonsense=1' })).rejects.toThrow(
      'vfio-pci has no parameter "nonsense"',
    );
    await expect(bootTestbed({ revision: 'v4', options: 'disable_idle_d3=maybe' })).rejects.toThrow(
      'not a boolean',
    );
  });
});
