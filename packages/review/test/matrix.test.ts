// SPDX-License-Identifier: GPL-2.0-only
// What a user gets from every call in every state, and what user space sees of a revision.
import { beforeAll, describe, expect, it } from 'vitest';
import {
  cellText,
  errnoDifferences,
  errnoMatrix,
  type ErrnoMatrix,
  uapi,
  uapiDifferences,
} from '../src/matrix/index.ts';

const m: Record<string, ErrnoMatrix> = {};

beforeAll(async () => {
  for (const rev of ['base', 'v3', 'v4', 'v5', 'v6', 'v7']) m[rev] = await errnoMatrix(rev);
}, 120_000);

function cell(rev: string, state: string, call: string): string {
  return cellText(m[rev]?.cells[state]?.[call]);
}

describe('errno by call and state', () => {
  it.each([
    ['open, D0', 'ENTER alone', ['ENOTTY', '+EINVAL', 'ok', 'ok', 'ok', 'ok']],
    ['open, D0', 'EXIT', ['ENOTTY', '+EINVAL', 'EINVAL', 'ok', 'ok', 'ok']],
    ['open, D0', 'ENTER with an eventfd', ['ENOTTY', 'ENOTTY', 'ENOTTY', 'ok', 'ok', 'ok']],
    ['open, D0', 'SET 4, fd 9999', ['ENOTTY', 'ENOTTY', 'ENOTTY', 'EBADF', 'EBADF', 'EBADF']],
    ['open, D0', 'GET 3', ['ENOTTY', 'ok', 'ok', 'EINVAL', 'EINVAL', 'EINVAL']],
    ['open, D0', 'GET_IRQ_INFO 5', ['EINVAL', 'EINVAL', 'ok', 'EINVAL', 'EINVAL', 'EINVAL']],
    ['open, D0', 'FEATURE argsz 4', ['EINVAL', 'EINVAL', 'EINVAL', 'EINVAL', 'EINVAL', 'EINVAL']],
    ['D3hot by the guest', 'read memory BAR', ['EIO', 'EIO', 'EIO', 'EIO', 'EIO', 'EIO']],
    ['D3hot by the guest', 'touch a mapping', ['SIGBUS', 'SIGBUS', 'SIGBUS', 'SIGBUS', 'SIGBUS', 'SIGBUS']],
    ['runtime PM off', 'GET_INFO', ['ok', 'ok', 'ok', 'ok', 'ok', 'ok']],
    ['resume error', 'GET_INFO', ['ok', 'EINVAL', 'EIO', 'EIO', 'EIO', 'EIO']],
    ['resume error', 'read config', ['ok', 'EINVAL', 'EIO', 'EIO', 'EIO', 'EIO']],
    [
      'not open',
      'open the device',
      ['ok, wakes', 'ok, wakes', 'ok, wakes', 'ok, wakes', 'ok, wakes', 'ok, wakes'].map((t, i) =>
        i === 0 ? 'ok' : t,
      ),
    ],
    [
      'not open, resume fails',
      'open the device',
      ['EINVAL', 'EINVAL', 'EINVAL', 'EINVAL', 'EINVAL', 'EINVAL'],
    ],
    [
      'engaged, asleep',
      'PROBE SET 3',
      ['no such state', 'ok, wakes', 'ok', 'ok, wakes', 'ok, wakes', 'ok, wakes'],
    ],
    [
      'engaged, asleep',
      'FEATURE argsz 4',
      ['no such state', 'EINVAL, wakes', 'EINVAL', 'EINVAL, wakes', 'EINVAL, wakes', 'EINVAL, wakes'],
    ],
    ['engaged, asleep', 'read 0 bytes', ['no such state', 'ok', 'ok', 'ok', 'ok', 'ok']],
    [
      'engaged, asleep',
      'read memory BAR',
      ['no such state', 'EIO', 'EIO, wakes', 'ok, wakes', 'ok, wakes', 'ok, wakes'],
    ],
    [
      'engaged, asleep',
      'touch a mapping',
      ['no such state', 'SIGBUS, wakes', 'SIGBUS', 'SIGBUS', 'SIGBUS', 'SIGBUS'].map((t, i) =>
        i === 1 ? 'SIGBUS' : t,
      ),
    ],
    [
      'engaged, asleep',
      'ENTER alone',
      ['no such state', '+EINVAL, wakes', 'EINVAL', 'EINVAL, wakes', 'EINVAL, wakes', 'EINVAL, wakes'],
    ],
    [
      'engaged, asleep',
      'EXIT',
      ['no such state', 'ok, wakes', 'ok, wakes', 'ok, wakes', 'ok, wakes', 'ok, wakes'],
    ],
    ['engaged, asleep, resume fails', 'GET_INFO', ['no such state', 'EINVAL', 'EIO', 'EIO', 'EIO', 'EIO']],
    ['engaged, asleep, resume fails', 'EXIT', ['no such state', 'EINVAL', 'EINVAL', 'EIO', 'EIO', 'EIO']],
    [
      'asleep, wake to be told',
      'ENTER alone',
      ['no such state', 'no such state', 'no such state', 'ok, wakes', 'ok, wakes', 'ok, wakes'],
    ],
    [
      'woken and told',
      'touch a mapping',
      ['no such state', 'no such state', 'no such state', 'ok', 'ok', 'ok'],
    ],
    [
      'held awake by the flag',
      'touch a mapping',
      ['no such state', 'no such state', 'SIGBUS', 'no such state', 'no such state', 'no such state'],
    ],
    ['after EXIT', 'touch a mapping', ['no such state', 'ok', 'ok', 'ok', 'ok', 'ok']],
  ])('%s: %s', (state, call, expected) => {
    expect(['base', 'v3', 'v4', 'v5', 'v6', 'v7'].map((rev) => cell(rev, state, call))).toEqual(expected);
  });

  it('is the same for v5, v6 and v7', () => {
    expect(errnoDifferences(m['v5'] as ErrnoMatrix, m['v6'] as ErrnoMatrix)).toEqual([]);
    expect(errnoDifferences(m['v6'] as ErrnoMatrix, m['v7'] as ErrnoMatrix)).toEqual([]);
  });

  it('differs from v4 to v7, and says where', () => {
    const list = errnoDifferences(m['v4'] as ErrnoMatrix, m['v7'] as ErrnoMatrix);
    expect(list).toContainEqual({
      state: 'engaged, asleep',
      call: 'read memory BAR',
      a: 'EIO, wakes',
      b: 'ok, wakes',
    });
    expect(list).toContainEqual({
      state: 'held awake by the flag',
      call: '',
      a: 'reachable',
      b: 'no such state',
    });
    expect(list.length).toBeGreaterThan(100);
  });

  it('has findings only where vfio lets a user reach a device in D3hot through I/O ports, and in v3', () => {
    const found = Object.values(m).flatMap((x) =>
      Object.entries(x.cells).flatMap(([state, calls]) =>
        Object.entries(calls).flatMap(([call, c]) =>
          c.findings.map((kind) => `${x.revision} | ${state} | ${call} | ${kind}`),
        ),
      ),
    );
    const ports = ['base', 'v3', 'v4', 'v5', 'v6', 'v7'].map(
      (rev) => `${rev} | D3hot by the guest | read I/O BAR | d3hot-access`,
    );
    expect(found.sort()).toEqual(
      [
        ...ports,
        'v3 | engaged, asleep | read I/O BAR | d3cold-access',
        'v3 | engaged, kept awake | read I/O BAR | d3hot-access',
        'v3 | engaged, asleep, resume fails | read I/O BAR | d3cold-access',
        'v3 | engaged, asleep, resume fails | close | pm-underflow',
      ].sort(),
    );
  });
});

describe('uAPI', () => {
  it('differs from v4 to v7 in features, payloads and interrupts', async () => {
    const list = uapiDifferences(await uapi('v4'), await uapi('v7'));
    expect(list).toContainEqual({ what: 'GET_INFO interrupts', a: '6', b: '5' });
    expect(list).toContainEqual({ what: 'payload of SET 3', a: '8 bytes', b: '0 bytes' });
    expect(list).toContainEqual({ what: 'payload of SET 4', a: '-ENOTTY', b: '8 bytes' });
    expect(list).toContainEqual({ what: 'SET 5 when not in low power', a: '-ENOTTY', b: '0' });
    expect(list.map((d) => d.what)).not.toContain('PROBE SET PCI_VF_TOKEN');
  });

  it('is the same for v6 and v7', async () => {
    expect(uapiDifferences(await uapi('v6'), await uapi('v7'))).toEqual([]);
  });
});
