// SPDX-License-Identifier: GPL-2.0-only
// Changes to a machine file: devices that go, come twice, move behind another bridge, or are something else.
import fc from 'fast-check';
import {
  capabilities,
  configOf,
  type DeviceJson,
  isEndpoint,
  isPort,
  type MachineJson,
  moveCapabilities,
} from './derived.ts';

/** One change; the numbers choose what and how, whatever they are. */
export interface Edit {
  kind: (typeof KINDS)[number];
  which: number;
  how: number[];
}

const KINDS = [
  'drop',
  'twice',
  'nest',
  'capabilities',
  'ids',
  'bytes',
  'bars',
  'no-masks',
  'no-platform',
] as const;

export const edits: fc.Arbitrary<Edit[]> = fc.array(
  fc.record({
    kind: fc.constantFrom(...KINDS),
    which: fc.nat(1000),
    how: fc.array(fc.nat(0xffff), { minLength: 24, maxLength: 24 }),
  }),
  { minLength: 1, maxLength: 5 },
);

const hex2 = (n: number): string => n.toString(16).padStart(2, '0');
const busOf = (d: DeviceJson): number => parseInt(d.bdf.slice(5, 7), 16);
const above = (d: DeviceJson): string => d.path.split('/').at(-2) ?? '';

function copyOf(m: MachineJson, d: DeviceJson, bdf: string, under: string): DeviceJson {
  const copy = { ...d, attrs: { ...d.attrs }, bdf, path: `${under}/${bdf}`, driver: '' };
  if (m.wmask !== null && m.wmask[d.bdf] !== undefined) m.wmask[bdf] = structuredClone(m.wmask[d.bdf]);
  m.devices.push(copy);
  return copy;
}

function freeGroup(m: MachineJson): number {
  return 1 + Math.max(...m.devices.map((d) => d.iommu_group));
}

/** An unused slot of a bus, null when it is full. */
function freeSlot(m: MachineJson, bus: number): number | null {
  for (let slot = 1; slot < 32; slot++)
    if (!m.devices.some((d) => d.bdf.startsWith(`0000:${hex2(bus)}:${hex2(slot)}.`))) return slot;
  return null;
}

/** Move all memory BARs of a device by a multiple of their size, inside 256 MiB that nobody else has. */
function moveBars(d: DeviceJson, n: number): void {
  const c = configOf(d);
  const lines = d.attrs.resource.split('\n');
  for (let i = 0; i < 6; i++) {
    const [start, end, flags] = lines[i].split(' ').map(Number);
    if ((flags & 0x200) === 0 || end <= start || start >= 2 ** 32) continue;
    const size = end - start + 1;
    const to = 0xb0000000 + (((n * 0x100000 + (start & 0xfffff)) % 0x8000000) & ~(size - 1));
    c.writeUInt32LE(((to >>> 0) | (c.readUInt32LE(0x10 + 4 * i) & 0xf)) >>> 0, 0x10 + 4 * i);
    const hex = (v: number): string => `0x${v.toString(16).padStart(16, '0')}`;
    lines[i] = [hex(to), hex(to + size - 1), hex(flags)].join(' ');
  }
  d.attrs.resource = lines.join('\n');
  d.config = c.toString('hex');
}

/** Put a copy of a function's port between the function and its port. */
function nest(m: MachineJson, d: DeviceJson): void {
  const port = m.devices.find((p) => p.bdf === above(d));
  const slot = freeSlot(m, busOf(d));
  const bus = 1 + Math.max(...m.devices.map((x) => Math.max(busOf(x), configOf(x)[0x1a])));
  if (port === undefined || slot === null || bus > 200) return;
  const bridge = copyOf(m, port, `0000:${hex2(busOf(d))}:${hex2(slot)}.0`, port.path);
  const c = configOf(bridge);
  c[0x18] = busOf(d);
  c[0x19] = c[0x1a] = bus;
  bridge.config = c.toString('hex');
  for (
    let p: DeviceJson | undefined = port;
    p !== undefined;
    p = m.devices.find((x) => x.bdf === above(p!))
  ) {
    const up = configOf(p);
    up[0x1a] = Math.max(up[0x1a], bus);
    p.config = up.toString('hex');
  }
  const bdf = `0000:${hex2(bus)}:${d.bdf.slice(8)}`;
  if (m.wmask !== null && m.wmask[d.bdf] !== undefined) {
    m.wmask[bdf] = m.wmask[d.bdf];
    delete m.wmask[d.bdf];
  }
  d.bdf = bdf;
  d.path = `${bridge.path}/${bdf}`;
}

/** Apply a change in place. Does nothing where the machine has no room for it. */
export function applyEdit(m: MachineJson, { kind, which, how }: Edit): void {
  const endpoints = m.devices.filter(isEndpoint);
  if (endpoints.length === 0) return;
  const d = endpoints[which % endpoints.length];
  let next = 0;
  const pick = (n: number): number => how[next++ % how.length] % n;
  const c = configOf(d);
  switch (kind) {
    case 'drop': {
      const gone = pick(2) === 0 ? d : m.devices[which % m.devices.length];
      m.devices = m.devices.filter((x) => x !== gone && !x.path.startsWith(`${gone.path}/`));
      return;
    }
    case 'twice': {
      const slot = freeSlot(m, busOf(d));
      if (slot === null) return;
      const twin = copyOf(
        m,
        d,
        `0000:${hex2(busOf(d))}:${hex2(slot)}.0`,
        d.path.slice(0, d.path.lastIndexOf('/')),
      );
      if (pick(2) === 0) twin.iommu_group = freeGroup(m);
      moveBars(twin, pick(0xffff));
      return;
    }
    case 'nest':
      nest(m, d);
      return;
    case 'capabilities':
      moveCapabilities(m, d, pick);
      return;
    case 'ids':
      c.writeUInt16LE([0x10de, 0x1234, 0x8086, 0x1af4, pick(0x10000)][pick(5)], 0);
      if (pick(2) === 0) c.writeUInt16LE(pick(0x10000), 2);
      if (pick(2) === 0) c.set([pick(256), [0, 0x80, 2][pick(3)], [1, 2, 3, 4, 0xff][pick(5)]], 9);
      break;
    case 'bytes':
      for (let i = 1 + pick(4); i > 0; i--)
        c[[0x06, 0x08, 0x0e, 0x3d, 0x34, 0x40 + pick(0xc0)][pick(6)]] = pick(256);
      // The header stays one of an endpoint.
      c[0x0e] &= 0x80;
      if (capabilities(c).some(({ at }) => at > 0xf0)) return;
      break;
    case 'bars':
      moveBars(d, pick(0xffff));
      return;
    case 'no-masks':
      if (m.wmask !== null && pick(2) === 0) delete m.wmask[d.bdf];
      else m.wmask = null;
      return;
    case 'no-platform':
      m.platform = null;
      return;
  }
  d.config = c.toString('hex');
  if (isPort(d)) throw new Error('an endpoint became a port');
}
