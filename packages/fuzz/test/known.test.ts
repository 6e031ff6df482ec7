// SPDX-License-Identifier: GPL-2.0-only
// Each known finding, from a program as small as it can be: what the driver of a revision does, pinned down.
import { parseToken, Pct, replay, type SubjectFinding } from '@vfio-lab/explore';
import { describe, expect, it } from 'vitest';
import { KNOWN, knownFinding } from '../src/known.ts';
import type { Program } from '../src/program.ts';
import { ProgramSubject } from '../src/subject.ts';

const CARD = '0000:01:00.0';
const AUDIO = '0000:01:00.1';
const OTHER = '0000:02:00.0';

/** Bind and open a card; what else is turned on by then. */
function opened(...more: string[]): string[] {
  return [
    `bind ${CARD}`,
    'container C0',
    `group G0 ${CARD}`,
    'set_container G0 C0',
    'set_iommu C0 3',
    `device D0 G0 ${CARD}`,
    'wr D0 cfg 4 2 6',
    'efd E0',
    'efd E2',
    ...more,
  ];
}

const INTX = 'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:E0';
const VFS = `syswrite ${CARD}/sriov_numvfs 1`;
const RING = `ring ${CARD} 8`;

interface Case {
  id: string;
  revision: string;
  topology: string;
  options?: string;
  setup: string[];
  /** By task. */
  ops: Record<string, string[]>;
  /** With nobody coming to rest before the end, and under this schedule, where random ones take too long. */
  schedule?: string;
}

const BOTH = [
  `bind ${CARD}`,
  `bind ${AUDIO}`,
  'container C0',
  `group G0 ${CARD}`,
  'set_container G0 C0',
  'set_iommu C0 1',
  `device D0 G0 ${CARD}`,
  `device D1 G0 ${AUDIO}`,
];
const GUEST_MASK = 'wr D0 cfg 4 2 1030';
const MSI = 'set_irqs D0 DEFD|TRIGGER msi 0 1 efd:E0';
const RESET = `syswrite ${CARD}/reset 1`;

/** Data races. */
const RACES: Case[] = [
  {
    ...{ id: 'status-shown-unlocked', revision: 'base', topology: 'own-power', setup: opened() },
    ops: { user0: ['close D0'], host: [`sysread ${CARD}/power/runtime_status`] },
  },
  {
    ...{ id: 'eventfd-polled-unlocked', revision: 'base', topology: 'no-pm', setup: opened(INTX) },
    ops: { user0: ['poll E0'], user1: ['set_irqs D0 DNONE|TRIGGER intx 0 1'] },
  },
  {
    ...{ id: 'irq-counts-reset-unlocked', revision: 'base', topology: 'shared-intx' },
    setup: [
      ...opened(INTX),
      `bind ${OTHER}`,
      `group G1 ${OTHER}`,
      'set_container G1 C0',
      `device D1 G1 ${OTHER}`,
    ],
    ops: { user0: ['set_irqs D1 DEFD|TRIGGER intx 0 1 efd:E2'], device: [RING] },
  },
  ...['irq-actions-walked-unlocked', 'irq-settings-read-unlocked'].map((id): Case => ({
    ...{ id, revision: 'base', topology: 'no-pm', setup: opened(INTX) },
    ops: { user0: ['set_irqs D0 DNONE|TRIGGER intx 0 0'], device: [RING] },
  })),
  {
    ...{ id: 'd3cold-allowed-unlocked', revision: 'base', topology: 'gpu', setup: BOTH },
    ops: { user0: ['close D0', 'close D1'], host: [`syswrite ${CARD}/d3cold_allowed 0`] },
  },
  {
    ...{ id: 'pme-poll-ended-unlocked', revision: 'base', topology: 'gpu', setup: [...BOTH, 'close D0'] },
    ops: { host: [`syswrite ${CARD}/power/control on`], device: [`pme ${CARD}`] },
  },
  {
    ...{ id: 'd-state-vs-host', revision: 'base', topology: 'nosoftrst', setup: opened('wr D0 cfg 68 2 3') },
    ops: { user0: ['wr D0 cfg 68 2 0'], host: [RESET] },
  },
  {
    ...{ id: 'd-state-in-open-and-close', revision: 'base', topology: 'sriov', options: 'enable_sriov=1' },
    ...{ setup: opened('close D0') },
    ops: { user0: [`device D0 G0 ${CARD}`], host: [VFS] },
  },
  {
    ...{ id: 'msi-vs-host-reset', revision: 'base', topology: 'nosoftrst', setup: opened(MSI) },
    ops: { user0: ['set_irqs D0 DNONE|TRIGGER msi 0 0'], host: [RESET] },
  },
  {
    ...{ id: 'saved-state-vs-host-reset', revision: 'base', topology: 'nosoftrst', setup: opened() },
    ops: { user0: ['close D0'], host: [RESET] },
  },
  {
    ...{ id: 'container-closed-vs-unset', revision: 'base', topology: 'no-pm', setup: opened('close D0') },
    ops: { user0: ['close C0'], user1: ['unset_container G0'] },
  },
  ...['intx-set-up-vs-masked', 'intx-mask-vs-set-up'].map((id): Case => ({
    ...{ id, revision: 'base', topology: 'no-pm', setup: opened() },
    ops: { user0: [INTX], user1: [GUEST_MASK] },
  })),
  {
    ...{ id: 'intx-eventfd-sent-unlocked', revision: 'base', topology: 'no-pm' },
    setup: opened(INTX, 'set_irqs D0 DEFD|UNMASK intx 0 1 efd:E2'),
    ops: { user0: ['efd_wr E2 1'], user1: [INTX], device: [RING] },
  },
  {
    ...{ id: 'hot-reset-vs-suspend', revision: 'base', topology: 'gpu', setup: BOTH },
    ops: { user0: ['hotreset D1 fds:G0'], user1: ['close D0'] },
  },
  {
    ...{ id: 'exit-resumes-unlocked', revision: 'v4', topology: 'nosoftrst' },
    ...{ setup: opened('mmap M0 D0 bar0 0 0x1000 rw', 'lp_enter D0') },
    ops: { user0: ['lp_exit D0'], user1: ['mwr M0 0 4 1'] },
  },
  {
    ...{ id: 'ioeventfd-without-reference', revision: 'v7', topology: 'gpu', setup: opened('lp_enter D0') },
    ops: { user0: ['ioeventfd D0 1 0 1 E2 region=bar0', 'efd_wr E2 1'] },
  },
  {
    ...{ id: 'idle-check-vs-unbind', revision: 'base', topology: 'no-pm', setup: opened() },
    ops: { user0: ['close D0'], host: [`unbind ${CARD}`] },
  },
  {
    ...{ id: 'new-vf-in-set-without-group', revision: 'base', topology: 'sriov', options: 'enable_sriov=1' },
    ...{ setup: opened() },
    ops: { user0: ['hotreset D0 fds:G0'], host: [VFS] },
  },
  {
    ...{ id: 'group-of-new-vf-unlocked', revision: 'base', topology: 'sriov', options: 'enable_sriov=1' },
    ...{ setup: opened() },
    ops: { user0: ['hotreset_info D0 argsz=256'], host: [VFS] },
  },
  {
    ...{ id: 'msi-control-written-unlocked', revision: 'base', topology: 'nosoftrst', setup: opened() },
    ops: { user0: [INTX], user1: ['wr D0 cfg 82 2 1'] },
  },
  {
    ...{ id: 'guest-intx-mask-unlocked', revision: 'base', topology: 'no-pm', setup: opened() },
    ops: { user0: ['wr D0 cfg 4 2 6'], user1: [GUEST_MASK] },
  },
  {
    ...{ id: 'bar-fixup-unlocked', revision: 'base', topology: 'no-pm', setup: opened() },
    ops: { user0: ['wr D0 cfg 16 4 0'], user1: ['rd D0 cfg 16 4'] },
  },
];

const CASES: Case[] = [
  {
    ...{ id: 'intx-eventfd-gone', revision: 'base', topology: 'no-pm', setup: opened(INTX) },
    ops: {
      user0: ['set_irqs D0 DEFD|TRIGGER intx 0 1 efd:-1', 'set_irqs D0 DNONE|TRIGGER intx 0 1'],
    },
  },
  {
    ...{ id: 'intx-masked-while-torn-down', revision: 'base', topology: 'no-pm', setup: opened(INTX) },
    ops: { user0: ['wr D0 cfg 4 2 1030'], user1: ['set_irqs D0 DNONE|TRIGGER intx 0 0'] },
  },
  {
    ...{ id: 'intx-enabled-without-handler', revision: 'base', topology: 'no-pm' },
    ...{ options: 'nointxmask=1', setup: opened(INTX) },
    ops: {
      user0: [
        'set_irqs D0 DNONE|MASK intx 0 1',
        'set_irqs D0 DEFD|TRIGGER intx 0 1 efd:-1',
        'set_irqs D0 DNONE|UNMASK intx 0 1',
      ],
    },
  },
  {
    ...{ id: 'intx-line-disabled-twice', revision: 'base', topology: 'no-pm' },
    ...{ options: 'nointxmask=1', setup: opened() },
    ops: { user0: [INTX], device: [RING] },
  },
  {
    ...{ id: 'intx-line-enabled-twice', revision: 'base', topology: 'no-pm' },
    ...{ options: 'nointxmask=1', setup: opened('wr D0 cfg 4 2 1030') },
    ops: { user0: ['wr D0 cfg 4 2 6'], user1: [INTX] },
  },
  {
    ...{ id: 'unmask-eventfd-asleep', revision: 'v7', topology: 'own-power' },
    setup: opened(INTX, 'set_irqs D0 DEFD|UNMASK intx 0 1 efd:E2', 'lp_enter D0'),
    ops: { user0: ['efd_wr E2 1'] },
  },
  ...['base', 'v7'].flatMap((revision): Case[] => [
    {
      ...{ id: 'vf-probe-vs-fault', revision, topology: 'sriov', options: 'enable_sriov=1' },
      setup: opened('mmap M0 D0 bar0 0 0x1000 rw'),
      ops: { user0: ['dma_map C0 0x10000 0x1000 READ|WRITE', 'reset D0'], host: [VFS] },
    },
    {
      ...{ id: 'vf-probe-vs-close', revision, topology: 'sriov', options: 'enable_sriov=1' },
      setup: opened('set_irqs D0 DEFD|TRIGGER msi 0 1 efd:E0'),
      ops: { user0: ['close D0'], host: [VFS] },
    },
    {
      ...{ id: 'vf-probe-vs-close-deadlock', revision, topology: 'sriov', options: 'enable_sriov=1' },
      setup: opened('set_irqs D0 DEFD|TRIGGER msi 0 1 efd:E0'),
      ops: { user0: ['close D0'], host: [VFS] },
    },
    {
      ...{ id: 'command-register-race', revision, topology: 'no-pm', setup: opened(INTX) },
      ops: { user0: ['set_irqs D0 DNONE|MASK intx 0 1'], user1: ['wr D0 cfg 4 2 6'] },
    },
    {
      ...{ id: 'command-register-race', revision, topology: 'no-pm', setup: opened(INTX) },
      ops: { user0: ['reset D0'], user1: ['set_irqs D0 DNONE|MASK intx 0 1'] },
    },
    {
      ...{ id: 'command-register-race', revision, topology: 'shared-intx', setup: opened(INTX) },
      ops: { user0: ['wr D0 cfg 121 1 255'], user1: ['set_irqs D0 DNONE|MASK intx 0 1'] },
    },
  ]),
  {
    ...{ id: 'vf-removed-under-memory-lock', revision: 'v4', topology: 'sriov', options: 'enable_sriov=1' },
    setup: [
      `bind ${CARD}`,
      'container C0',
      `group G0 ${CARD}`,
      'set_container G0 C0',
      'set_iommu C0 1',
      `device D0 G0 ${CARD}`,
    ],
    ops: { host: [`syswrite ${CARD}/sriov_numvfs 2`] },
    schedule:
      'exit@write:hw%200000:01:00.0#9,host@lock:&new_dev_set->lock,exit@lock:&group->group_rwsem,host@write:iommu_group,host>kworker/pm',
  },
  {
    ...{ id: 'restore-vs-host-reset', revision: 'base', topology: 'sriov', options: 'enable_sriov=1' },
    setup: opened(),
    ops: { user0: ['close D0'], host: [VFS, `syswrite ${CARD}/reset 1`] },
  },
  {
    ...{ id: 'resume-takes-igate', revision: 'v4', topology: 'nosoftrst' },
    setup: opened('set_irqs D0 DEFD|TRIGGER msi 0 1 efd:E0', 'wr D0 cfg 68 2 256', 'lp_enter D0'),
    ops: { user0: ['sleep 1'], host: [`syswrite ${CARD}/power/control on`] },
  },
  {
    ...{ id: 'flag-for-d3hot', revision: 'v3', topology: 'own-power', setup: opened() },
    ops: { user0: ['lp_enter D0', 'lp_exit D0'], user1: ['wr D0 bar0 32 4 1'] },
  },
  {
    ...{ id: 'intx-asserted-not-set-up', revision: 'base', topology: 'shared-intx' },
    setup: [
      ...opened(),
      `bind ${OTHER}`,
      `group G1 ${OTHER}`,
      'set_container G1 C0',
      `device D1 G1 ${OTHER}`,
      'set_irqs D1 DEFD|TRIGGER intx 0 1 efd:E0',
    ],
    ops: { user0: ['sleep 200'], device: [RING] },
  },
  {
    ...{ id: 'pme-vs-port-suspend', revision: 'v4', topology: 'gpu' },
    setup: [
      `bind ${CARD}`,
      `bind ${AUDIO}`,
      'container C0',
      `group G0 ${CARD}`,
      'set_container G0 C0',
      'set_iommu C0 1',
      `device D1 G0 ${AUDIO}`,
    ],
    ops: { user0: ['close D1'], device: [`pme ${CARD}`] },
  },
  ...RACES,
  {
    ...{ id: 'idle-request-lost', revision: 'v7', topology: 'sriov', setup: [`bind ${CARD}`] },
    ops: { host: [`syswrite ${CARD}/reset 1`, `hostcfg_r ${CARD} 0 4`] },
  },
];

/** Schedules tried until the finding shows. */
const MOST = 400;

describe('known findings', () => {
  it('each have a program', () => {
    expect(new Set(CASES.map((c) => c.id))).toEqual(new Set(KNOWN.map((k) => k.id)));
  });

  it.each(CASES.map((c) => [c.id, c.revision, Object.values(c.ops).flat().join('; '), c] as const))(
    '%s on %s: %s',
    async (id, revision, _ops, { topology, options = '', setup, ops, schedule }) => {
      const tasks = Object.entries(ops).map(([name, list]) => ({ name, ops: list }));
      const program: Program = { topology, options, rest: schedule === undefined, setup, tasks };
      const subject = new ProgramSubject(program, revision);
      const pct = new Pct(1, 3);
      const seen = new Set<string>();
      const note = (findings: readonly SubjectFinding[]): void => {
        for (const f of findings)
          seen.add(knownFinding(f, revision, program)?.id ?? `new: ${f.kind}: ${f.text}`);
      };
      if (schedule !== undefined) note((await replay(subject, parseToken(schedule))).observation.findings);
      for (let n = 0; n < MOST && !seen.has(id); n++) {
        pct.begin();
        const { findings } = await subject.run(pct);
        note(findings);
      }
      expect([...seen]).toContain(id);
    },
  );
});
