// SPDX-License-Identifier: GPL-2.0-only
// What sets the revisions apart: each cell is a run.
import { describe, expect, it } from 'vitest';
import { ASPECTS, revisionTable } from '../src/matrix/index.ts';

const LATE = ['v5', 'v6', 'v7'];

/** What the mails say, by aspect; `late` is the same for v5, v6 and v7. */
const EXPECTED: Record<string, Record<string, string>> = {
  uAPI: {
    v3: 'features 3; GET, SET; 64-bit state',
    v4: 'features 3; GET, SET; 32-bit flags, 32 reserved',
    late: 'features 3, 4, 5; SET; no payload',
  },
  'engaged flag': { v3: 'platform_pm_engaged', v4: 'pm_runtime_engaged', late: 'pm_runtime_engaged' },
  'precondition for entry': { v3: 'device in D3hot', v4: 'none', late: 'none' },
  'second ENTER / EXIT without ENTER': {
    v3: '+EINVAL / +EINVAL',
    v4: '-EINVAL / -EINVAL',
    late: '-EINVAL / 0',
  },
  'entry drops its reference': {
    v3: 'unlocked 1 to 2, under write lock 2 to 1, unlocked 1 to 0',
    v4: 'unlocked 1 to 0',
    late: 'unlocked 1 to 2, under write lock 2 to 1, unlocked 1 to 0',
  },
  'exit takes it back': {
    v3: 'woken before; get under write lock; failed wake: -EINVAL, engaged',
    v4: 'woken after; get under write lock; failed wake: -EINVAL, engaged',
    late: 'woken before; get under write lock; failed wake: -EIO, engaged',
  },
  'the feature itself wakes the device': { v3: 'yes', v4: 'no', late: 'yes' },
  'errno of a failed wake': {
    v3: 'ioctl -EINVAL, config -EINVAL, EXIT -EINVAL',
    v4: 'ioctl -EIO, config -EIO, EXIT -EINVAL',
    late: 'ioctl -EIO, config -EIO, EXIT -EIO',
  },
  'region access while engaged': {
    v3: 'config wakes, works; memory does not wake, -EIO; ports does not wake, reaches nobody (d3cold-access)',
    v4: 'config wakes, works; memory wakes, -EIO; ports wakes, works',
    late: 'config wakes, works; memory wakes, works; ports wakes, works',
  },
  'mapping while engaged': {
    v3: 'asleep SIGBUS, after lspci SIGBUS, after EXIT works',
    v4: 'asleep SIGBUS, held awake SIGBUS, after EXIT works',
    late: 'asleep SIGBUS, after lspci SIGBUS, after EXIT works, after a wake that was told works',
  },
  'who blocks mappings': {
    v3: '__vfio_pci_memory_enabled() by power_state_d3',
    v4: '__vfio_pci_memory_enabled() by pm_runtime_engaged',
    late: 'the fault handler',
  },
  'entry takes mappings away': { v3: 'no, the write of D3hot does', v4: 'yes', late: 'yes' },
  'after a wake by the host': {
    v3: 'a card sleeps again, an NVIDIA display sleeps again',
    v4: 'a card sleeps again, an NVIDIA display stays awake, with the flag a card stays awake',
    late: 'a card sleeps again, an NVIDIA display sleeps again',
  },
  'user told of a wake': {
    v3: 'never',
    v4: 'PME interrupt, 1 of two wakes, then active and still engaged',
    late: 'eventfd of ENTRY, 1 of two wakes, then active and no longer engaged',
  },
  'PME in virtual config space': {
    v3: 'cleared, PME_En read-only',
    v4: 'advertised, PME_En writable, a wake sets PME_Status, writing 1 clears it',
    late: 'cleared, PME_En read-only',
  },
  'order in the resume callback': {
    v3: 'unmask INTx',
    v4: 'unmask INTx, signal, hold awake',
    v5: 'unmask INTx, leave low power, signal',
    v6: 'signal, leave low power, unmask INTx',
    v7: 'signal, leave low power, unmask INTx',
  },
  'suspend callback for an unused device': { v3: 'returns early', v4: 'sets D0', late: 'sets D0' },
  'suspend callback sets D0 under': { v3: 'read lock', v4: 'write lock', late: 'write lock' },
};

describe('the table of the revisions', () => {
  it('has an aspect for every row', () => {
    expect(ASPECTS.map((a) => a.name)).toEqual(Object.keys(EXPECTED));
  });

  describe.each(ASPECTS.map((a) => [a.name, a] as const))('%s', (name, aspect) => {
    it.each(['v3', 'v4', ...LATE])('%s', async (rev) => {
      const row = EXPECTED[name];
      expect(await aspect.observe(rev)).toBe(row?.[rev] ?? row?.['late']);
    });
  });

  it('comes as rows, and stops when asked', async () => {
    const rows = await revisionTable(['v4', 'v7'], (done) => done === 4);
    expect(rows.map((r) => [r.aspect, Object.keys(r.cells)])).toEqual([
      ['uAPI', ['v4', 'v7']],
      ['engaged flag', ['v4', 'v7']],
      ['precondition for entry', []],
    ]);
  });
});
