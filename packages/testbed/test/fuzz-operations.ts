// SPDX-License-Identifier: GPL-2.0-only
// Random operations in the script language: sensible ones, and any at all.
import fc from 'fast-check';

/** Numbers at which checks turn over. */
const EDGES = [
  0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 20, 24, 32, 40, 64, 255, 256, 4095, 4096, 65535, 65536, 0x7fffffff,
  0x80000000, 0xffffffff,
];
const u32 = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...EDGES) },
  { weight: 2, arbitrary: fc.nat(64) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffffffff }) },
);
const u64 = fc.oneof(
  { weight: 4, arbitrary: u32.map(String) },
  { weight: 3, arbitrary: fc.nat(64).map((n) => `0x${(4096 * n).toString(16)}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '0xffffffffffffffff',
      '0xfffffffffffff000',
      '0x8000000000000000',
      '0x7fffffffffff0000',
    ),
  },
  { weight: 1, arbitrary: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map((n) => `0x${n.toString(16)}`) },
);
const hex = (max: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength: max }).map((bytes) => Buffer.from(bytes).toString('hex'));

/** A buffer as a struct of 32-bit words that starts with its argsz. */
const struct = fc.tuple(fc.array(u32, { minLength: 1, maxLength: 14 }), fc.boolean()).map(([words, fits]) => {
  const bytes = Buffer.from(Uint32Array.from(words).buffer);
  if (fits) bytes.writeUInt32LE(bytes.length);
  return bytes.toString('hex');
});

/** Ioctls of containers, groups and devices are 100 and up of type ';'. */
const VFIO_FIRST = 0x3b64;
const ioctlNumber = fc.oneof(
  { weight: 9, arbitrary: fc.nat(24).map((n) => VFIO_FIRST + n) },
  { weight: 1, arbitrary: u32 },
);

/** Payloads that v4 and v7 of the series take. */
const lowPower = fc.constantFrom(
  'SET|LP_ENTRY',
  'SET|LP_EXIT',
  'SET|LP_ENTRY_WAKE wake:E0',
  'SET|LP_ENTRY_WAKE wake:E1',
  'SET|LP_ENTRY data:0100000000000000',
  'SET|LP_ENTRY data:0200000000000000',
  'SET|LP_ENTRY data:0500000000000000',
);

/** SET_IRQS as it is meant: vectors on and off, masks, software triggers. */
function irqSetting(index: fc.Arbitrary<number>, E: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const single = fc.constantFrom('intx', 'intx', 'intx', 'msi', 'err', 'req');
  const efd = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('E0', 'E1', 'E2', '-1') },
    { weight: 1, arbitrary: E },
  );
  const how = fc.oneof(
    efd.chain((e) => single.map((irq) => `DEFD|TRIGGER ${irq} 0 1 efd:${e}`)),
    fc
      .tuple(fc.constantFrom('msi', 'msix'), fc.nat(2), fc.array(efd, { minLength: 1, maxLength: 4 }))
      .map(([irq, start, list]) => `DEFD|TRIGGER ${irq} ${start} ${list.length} efd:${list.join(',')}`),
    single.map((irq) => `DNONE|TRIGGER ${irq} 0 0`),
    fc
      .tuple(fc.constantFrom('MASK', 'UNMASK', 'TRIGGER'), single)
      .map(([action, irq]) => `DNONE|${action} ${irq} 0 1`),
    fc
      .tuple(fc.constantFrom('MASK', 'UNMASK', 'TRIGGER'), single, fc.nat(1))
      .map(([action, irq, on]) => `DBOOL|${action} ${irq} 0 1 bool:${on}`),
    efd.map((e) => `DEFD|UNMASK intx 0 1 efd:${e}`),
  );
  return fc.tuple(index, how).map(([i, rest]) => `set_irqs D${i} ${rest}`);
}

/** One random operation on a machine with these functions. */
export function operation(bdfs: readonly string[], groups: readonly string[]): fc.Arbitrary<string> {
  const index = fc.nat(bdfs.length - 1);
  const D = fc.oneof(
    { weight: 12, arbitrary: index.map((i) => `D${i}`) },
    { weight: 1, arbitrary: fc.constantFrom('C0', 'G0', 'E0', 'X0', '-1', '0', '9999') },
  );
  const G = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...groups) },
    { weight: 1, arbitrary: fc.constantFrom('C0', 'D0', 'E0', 'X0', '-1', '0') },
  );
  const C = fc.constantFrom('C0', 'C0', 'C0', 'C1', 'C1', 'G0', 'D0', 'X0');
  const E = fc.constantFrom('E0', 'E1', 'E1', 'E2', 'X0', 'D0', '-1', '-2', '9999');
  const any = fc.oneof(C, G, D, E);
  const bdf = fc.constantFrom(...bdfs);
  const M = fc.constantFrom('M0', 'M1');
  const region = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('cfg', 'cfg', 'bar0', 'bar0', 'bar1', 'rom', 'vga') },
    { weight: 1, arbitrary: fc.constantFrom('bar2', 'bar3', 'bar4', 'bar5', '9', '10', '0x7fffff') },
  );
  const off = fc.oneof(
    { weight: 4, arbitrary: fc.nat(0xff) },
    { weight: 2, arbitrary: fc.nat(0x1100) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        0x40,
        0x44,
        0x50,
        0x52,
        4,
        0x10,
        0x30,
        0x3fff,
        0xfffff,
        0xffffffff,
        0xffffffffff,
      ),
    },
  );
  const width = fc.constantFrom(1, 2, 4, 4, 8, 0, 3, 7, 16, 64, 256, 4096, 5000);
  const page = fc.constantFrom(0, 0, 0, 0x1000, 0x2000, 0x800, 0x10000);
  const length = fc.constantFrom(0x1000, 0x1000, 0x4000, 0x10000, 0, 1, 0x200000);
  const irq = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('intx', 'intx', 'msi', 'msix', 'err', 'req') },
    { weight: 1, arbitrary: u32.map(String) },
  );
  const irqFlags = fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .tuple(
          fc.constantFrom('DNONE', 'DBOOL', 'DEFD'),
          fc.constantFrom('MASK', 'UNMASK', 'TRIGGER', 'TRIGGER'),
        )
        .map((f) => f.join('|')),
    },
    { weight: 1, arbitrary: u32.map(String) },
  );
  const irqData = fc.oneof(
    fc.array(E, { minLength: 1, maxLength: 4 }).map((fds) => ` efd:${fds.join(',')}`),
    fc
      .array(fc.constantFrom('0', '1', '2'), { minLength: 1, maxLength: 4 })
      .map((b) => ` bool:${b.join(',')}`),
    hex(12).map((h) => ` raw:${h}`),
    fc.constant(''),
  );
  const argsz = fc.oneof(
    { weight: 4, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: u32.map((n) => ` argsz=${n}`) },
  );
  const feature = fc.tuple(
    fc.constantFrom('SET', 'SET', 'SET', 'GET', 'PROBE', 'SET|PROBE', 'GET|PROBE', 'GET|SET', '0'),
    fc.constantFrom(
      'LP_ENTRY',
      'LP_ENTRY',
      'LP_ENTRY_WAKE',
      'LP_EXIT',
      'LP_EXIT',
      'VF_TOKEN',
      'MIGRATION',
      'MIG_STATE',
      '9',
      '0xffff',
    ),
  );
  const featureData = fc.oneof(
    fc.constant(''),
    fc.constantFrom(1, 2, 5, 3).map((n) => ` data:0${n}00000000000000`),
    E.map((e) => ` wake:${e}`),
    hex(24).map((h) => ` data:${h}`),
  );
  const pointer = fc.oneof(
    { weight: 5, arbitrary: struct.map((h) => `buf:${h}`) },
    { weight: 2, arbitrary: hex(48).map((h) => `buf:${h}`) },
    {
      weight: 1,
      arbitrary: fc.constantFrom('null', 'bad', 'kern', 'int:1', 'int:-1', 'str:x', 'fd:G0', 'fd:C0'),
    },
  );
  const line = (...parts: (string | fc.Arbitrary<unknown>)[]): fc.Arbitrary<string> =>
    fc
      .tuple(...parts.map((p) => (typeof p === 'string' ? fc.constant(p) : p)))
      .map((words) => words.map(String).join(' ').replace(/ +/g, ' ').trim());
  const glued = (first: fc.Arbitrary<string>, ...rest: fc.Arbitrary<string>[]): fc.Arbitrary<string> =>
    fc.tuple(first, ...rest).map((words) => words.join(''));

  const doorbell = fc.constantFrom('8 4 1', '8 4 1', '0xc 4 1');
  // What a monitor does: without these few programs come past the first checks.
  const sensible = fc.oneof(
    { weight: 6, arbitrary: irqSetting(index, E) },
    { weight: 3, arbitrary: fc.tuple(index, doorbell).map(([i, d]) => `wr D${i} bar0 ${d}`) },
    { weight: 2, arbitrary: fc.tuple(M, doorbell).map(([m, d]) => `mwr ${m} ${d}`) },
    {
      weight: 3,
      arbitrary: fc.tuple(M, index, page).map(([m, i, p]) => `mmap ${m} D${i} bar0 ${p} 0x1000 rw`),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(index, fc.constantFrom(0, 2, 6, 6, 7, 0x406, 0x400))
        .map(([i, v]) => `wr D${i} cfg 4 2 ${v}`),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(index, fc.constantFrom(0, 3, 0x8100, 0x103, 1))
        .map(([i, v]) => `wr D${i} cfg 0x44 2 ${v}`),
    },
    { weight: 4, arbitrary: fc.tuple(index, lowPower).map(([i, f]) => `feature D${i} ${f}`) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(index, fc.constantFrom('0x1000', '0x200000', '0x7000'))
        .map(([i, size]) => `dma_map C0 ${0x10000 * (i + 1)} ${size} READ|WRITE`),
    },
    { weight: 1, arbitrary: fc.constant('dma_unmap C0 0 0x40000000') },
    { weight: 1, arbitrary: index.map((i) => `hotreset D${i} fds:${[...new Set(groups)].join(',')}`) },
    { weight: 1, arbitrary: index.map((i) => `close D${i}`) },
    { weight: 4, arbitrary: index.map((i) => `device D${i} ${groups[i]} ${bdfs[i]}`) },
    { weight: 1, arbitrary: fc.constantFrom(...groups).map((g) => `close ${g}`) },
    {
      weight: 3,
      arbitrary: index.map((i) =>
        [
          `group ${groups[i]} ${bdfs[i]}`,
          `set_container ${groups[i]} C0`,
          'set_iommu C0 3',
          `device D${i} ${groups[i]} ${bdfs[i]}`,
        ].join('\n'),
      ),
    },
  );

  return fc.oneof(
    { weight: 90, arbitrary: sensible },
    { weight: 8, arbitrary: line('ioctl', any, ioctlNumber, pointer) },
    { weight: 8, arbitrary: line('rd', D, region, off, width) },
    { weight: 8, arbitrary: line('wr', D, region, off, fc.constantFrom(1, 2, 4, 8, 0, 3), u64) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(D, region, off, hex(40))
        .map(([d, r, o, h]) => `wrb ${d} ${r} ${o} ${h === '' ? '00' : h}`),
    },
    { weight: 1, arbitrary: line(fc.constantFrom('rd_bad', 'wr_bad'), D, region, off, u32) },
    {
      weight: 8,
      arbitrary: glued(
        line(
          'set_irqs',
          D,
          irqFlags,
          irq,
          fc.constantFrom(0, 0, 0, 1, 2, 0xffffffff),
          fc.constantFrom(0, 1, 1, 1, 2, 3, 4, 0x7fffffff),
        ),
        irqData,
        argsz,
      ),
    },
    {
      weight: 6,
      arbitrary: glued(
        fc.tuple(D, feature).map(([d, f]) => `feature ${d} ${f.join('|')}`),
        featureData,
        argsz,
      ),
    },
    { weight: 2, arbitrary: line('reset', D) },
    { weight: 1, arbitrary: glued(line('hotreset_info', D), argsz) },
    {
      weight: 2,
      arbitrary: glued(
        fc.tuple(D, fc.array(G, { maxLength: 3 })).map(([d, g]) => `hotreset ${d} fds:${g.join(',')}`),
        argsz,
      ),
    },
    { weight: 1, arbitrary: glued(line('info', D), argsz) },
    { weight: 1, arbitrary: glued(line('region', D, region), argsz) },
    { weight: 1, arbitrary: glued(line('irq', D, irq), argsz) },
    {
      weight: 2,
      arbitrary: glued(
        line('ioeventfd', D, fc.constantFrom(1, 2, 4, 8, 3, 0), off, u64, E),
        fc.oneof(
          fc.constant(''),
          region.map((r) => ` region=${r}`),
        ),
        argsz,
      ),
    },
    {
      weight: 4,
      arbitrary: line('mmap', M, any, region, page, length, fc.constantFrom('r', 'w', 'rw', 'rw private')),
    },
    { weight: 3, arbitrary: line('mrd', M, off, fc.constantFrom(1, 2, 4)) },
    { weight: 3, arbitrary: line('mwr', M, off, fc.constantFrom(1, 2, 4), u32) },
    { weight: 2, arbitrary: line('munmap', M) },
    { weight: 1, arbitrary: line('close', any) },
    { weight: 2, arbitrary: line('dup', any, fc.constantFrom('X0', 'X0', 'X1', 'X1', 'E2', 'C1', 'D0')) },
    { weight: 2, arbitrary: line('efd', fc.constantFrom('E0', 'E1', 'E2'), fc.nat(3)) },
    { weight: 2, arbitrary: line('efd_rd', E) },
    {
      weight: 2,
      arbitrary: line(
        'efd_wr',
        E,
        fc.constantFrom('0', '1', '7', '0xfffffffffffffffe', '0xffffffffffffffff'),
      ),
    },
    { weight: 1, arbitrary: line('poll', any) },
    { weight: 1, arbitrary: line('read_seq', any, fc.constantFrom(0, 1, 4, 7, 8, 9, 64)) },
    { weight: 1, arbitrary: line('lseek', any, u32, fc.nat(3)) },
    { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...groups), bdf).map(([g, b]) => `group ${g} ${b}`) },
    { weight: 4, arbitrary: fc.tuple(index, G, bdf).map(([i, g, b]) => `device D${i} ${g} ${b}`) },
    {
      weight: 1,
      arbitrary: line('device', 'D0', G, fc.constantFrom('0000:99:00.0', '""', '"x vf_token=1"')),
    },
    { weight: 1, arbitrary: line('container', fc.constantFrom('C0', 'C1', 'C1', 'C1')) },
    { weight: 2, arbitrary: line('set_container', G, C) },
    { weight: 1, arbitrary: line('unset_container', G) },
    { weight: 2, arbitrary: line('set_iommu', C, fc.constantFrom(1, 3, 3, 0, 2, 8)) },
    { weight: 1, arbitrary: line('check_ext', C, fc.nat(12)) },
    { weight: 1, arbitrary: glued(line('group_status', G), argsz) },
    { weight: 1, arbitrary: glued(line('iommu_info', C), argsz) },
    { weight: 2, arbitrary: glued(line('dma_map', C, u64, u64, fc.nat(7)), argsz) },
    { weight: 2, arbitrary: glued(line('dma_unmap', C, u64, u64, fc.nat(4)), argsz) },
    { weight: 1, arbitrary: line('hostcfg_r', bdf, off, fc.constantFrom(1, 2, 4, 64)) },
    { weight: 1, arbitrary: line('sleep', fc.constantFrom(1, 20, 200)) },
  );
}
