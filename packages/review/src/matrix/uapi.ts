// SPDX-License-Identifier: GPL-2.0-only
// What user space sees of a revision, by asking it.
import {
  VFIO_DEVICE_FEATURE,
  VFIO_DEVICE_FEATURE_GET,
  VFIO_DEVICE_FEATURE_SET,
  VFIO_DEVICE_GET_INFO,
  VFIO_DEVICE_GET_IRQ_INFO,
} from '@vfio-lab/headers';
import { EINVAL } from '@vfio-lab/kernel';
import { PCI_D3hot } from '@vfio-lab/pci';
import { type Bench, errno, PMCSR, runBench } from '../claims/bench.ts';
import { probe, set, valueOf } from '../claims/say.ts';

export interface UapiDifference {
  what: string;
  a: string;
  b: string;
}

const FEATURES = ['PCI_VF_TOKEN', 'MIGRATION', 'MIG_DEVICE_STATE', '3', '4', '5', '6'];
const IRQ_FLAGS = ['EVENTFD', 'MASKABLE', 'AUTOMASKED', 'NORESIZE'];

/** Facts about the interface of a revision, by what they are about. Throws InputError for an unknown revision. */
export async function uapi(rev: string): Promise<Record<string, string>> {
  const run = await runBench(rev, async (b) => {
    const facts: Record<string, string> = {};
    const info = await words(b, VFIO_DEVICE_GET_INFO, 20, 0, 0, 0, 0);
    facts['GET_INFO regions'] = String(info.out[2]);
    facts['GET_INFO interrupts'] = String(info.out[3]);
    for (let index = 0; index < 7; index++) {
      const irq = await words(b, VFIO_DEVICE_GET_IRQ_INFO, 16, 0, index, 0);
      facts[`GET_IRQ_INFO ${index}`] =
        irq.ret < 0
          ? errno(irq.ret)
          : `${IRQ_FLAGS.filter((_, bit) => (irq.out[1] & (1 << bit)) !== 0).join('+') || 'no flags'}, ${irq.out[3]} vectors`;
    }
    for (const [feature, name] of FEATURES.entries()) {
      facts[`PROBE SET ${name}`] = errno(await probe(b.dev, feature));
      facts[`PROBE GET ${name}`] = errno(await probe(b.dev, feature, 'GET'));
    }
    return facts;
  });
  const facts = valueOf(run);
  for (const feature of [3, 4, 5]) facts[`payload of SET ${feature}`] = await smallest(rev, feature);
  facts['GET 3'] = valueOf(
    await runBench(rev, async (b) => {
      const { ret, bytes } = await b.dev.feature(VFIO_DEVICE_FEATURE_GET | 3, new Uint8Array(8));
      return ret < 0 ? errno(ret) : `${errno(ret)}, ${Buffer.from(bytes).toString('hex')}`;
    }),
  );
  for (const [value, name] of [
    [0, '0'],
    [1, '1'],
    [2, '2'],
    [3, '3'],
    [4, '4'],
    [5, '5'],
    [8, '8'],
  ] as const) {
    facts[`SET 3 with ${name}`] = await fresh(rev, (b) => set(b.dev, 3, value, 0));
    facts[`SET 3 with ${name}, upper word 1`] = await fresh(rev, (b) => set(b.dev, 3, value, 1));
  }
  facts['SET 4 with an eventfd'] = await fresh(rev, async (b) => set(b.dev, 4, await b.user.eventfd(), 0));
  facts['SET 4 with an eventfd, reserved 1'] = await fresh(rev, async (b) =>
    set(b.dev, 4, await b.user.eventfd(), 1),
  );
  facts['SET 4 with -1'] = await fresh(rev, (b) => set(b.dev, 4, 0xffff_ffff, 0));
  facts['SET 4 with a closed fd'] = await fresh(rev, (b) => set(b.dev, 4, 9999, 0));
  facts['SET 5 when not in low power'] = await fresh(rev, (b) => set(b.dev, 5));
  facts['SET and GET of 3 at once'] = await fresh(
    rev,
    async (b) =>
      (await b.dev.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET | 3, new Uint8Array(8))).ret,
  );
  facts['a feature header of 4 bytes'] = await fresh(
    rev,
    async (b) => (await words(b, VFIO_DEVICE_FEATURE, 4, 0)).ret,
  );
  return facts;
}

async function words(b: Bench, cmd: number, ...w: number[]): Promise<{ ret: number; out: Uint32Array }> {
  const { ret, bytes } = await b.user.ioctlBytes(b.dev.fd, cmd, new Uint8Array(Uint32Array.from(w).buffer));
  return { ret, out: new Uint32Array(bytes.slice().buffer) };
}

async function fresh(rev: string, call: (b: Bench) => Promise<number>): Promise<string> {
  return errno(valueOf(await runBench(rev, call)));
}

/** The fewest bytes after the header with which SET gets as far as looking at them. */
async function smallest(rev: string, feature: number): Promise<string> {
  for (const size of [0, 4, 8, 12]) {
    const run = await runBench(rev, async (b) => {
      await b.dev.writeConfig(PMCSR, 2, PCI_D3hot);
      const payload = new Uint8Array(size);
      const value = feature === 4 ? await b.user.eventfd() : 1;
      if (size >= 4) new DataView(payload.buffer).setUint32(0, value, true);
      return (await b.dev.feature(VFIO_DEVICE_FEATURE_SET | feature, payload)).ret;
    });
    const ret = valueOf(run);
    if (ret !== -EINVAL) return ret < 0 ? errno(ret) : `${size} bytes`;
  }
  return 'none accepted';
}

/** The facts that differ, and those that only one has. */
export function uapiDifferences(
  a: Readonly<Record<string, string>>,
  b: Readonly<Record<string, string>>,
): UapiDifference[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .map((what) => ({ what, a: a[what] ?? '', b: b[what] ?? '' }))
    .filter((d) => d.a !== d.b);
}
