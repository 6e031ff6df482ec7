// SPDX-License-Identifier: GPL-2.0-only
// What was said in the review, and whether it is so.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  claimById,
  type ClaimResult,
  claims,
  CLAIM_REVISIONS,
  judgeClaims,
  type Verdict,
} from '../src/claims/index.ts';

const LETTERS: Record<string, Verdict> = {
  y: 'holds',
  n: 'does-not-hold',
  u: 'not-reachable',
  '-': 'not-about-behaviour',
};

/** Verdicts on v3, v4, v5, v6, v7. */
const EXPECTED: Record<string, string> = {
  C1: '-----',
  C2: 'yyyyy',
  C3: 'yyyyy',
  C4: 'ynnnn',
  C5: 'ynnnn',
  C6: 'uuuuu',
  C7: 'ynnnn',
  C8: 'yyyyy',
  C9: 'ynnnn',
  C10: 'ynnnn',
  C11: 'nnnnn',
  C12: 'ynnnn',
  C13: 'yyyyy',
  C14: 'ynnnn',
  C15: 'yyyyy',
  C16: 'yyyyy',
  C17: 'uuuuu',
  C18: 'yyyyy',
  C19: 'nyyyy',
  C20: 'yyyyy',
  C21: 'yyyyy',
  C22: 'unuuu',
  C23: 'nnyyy',
  C24: 'nyyyy',
  C25: 'nnnnn',
  C26: '-----',
  C27: 'yyyyy',
  C28: 'yyyyy',
  C29: 'nnnnn',
  C30: 'yyyyy',
  C31: 'nnnnn',
  C32: 'yyyyy',
  C33: 'nnyyy',
  C34: 'nynnn',
  C35: 'nnnnn',
  C36: 'yyyyy',
  C37: 'nnnnn',
  C38: 'unyyy',
  C39: 'yyyyy',
  C40: 'nnyyy',
  C41: 'uuyyy',
  C42: 'unyyy',
  C43: 'yynnn',
  C44: '-----',
  C45: 'nynnn',
  C46: 'uyuuu',
  C47: 'yyyyy',
  C48: 'yyyyy',
  C49: 'yyyyy',
  C50: 'nyyyy',
  C51: 'uyynn',
  C52: 'uyyyy',
  C53: 'uuyyy',
  C54: 'uuyyy',
  C55: '-----',
  C56: 'nnnnn',
  C57: '-----',
  C58: '-----',
  C59: '-----',
};

let results: ClaimResult[] = [];
/** Processor time of judging all, in µs. */
let spent = 0;

function resultOf(id: string): ClaimResult {
  const found = results.find((r) => r.id === id);
  if (found === undefined) throw new Error(`no result for ${id}`);
  return found;
}

beforeAll(async () => {
  const start = process.cpuUsage();
  results = await judgeClaims(CLAIM_REVISIONS);
  const { user, system } = process.cpuUsage(start);
  spent = user + system;
}, 120_000);

afterAll(() => {
  results = [];
});

describe('the claims', () => {
  it('are C1 to C59 in order, each with who, when, where and words', () => {
    expect(claims.map((c) => c.id)).toEqual(Array.from({ length: 59 }, (_, i) => `C${i + 1}`));
    for (const c of claims) {
      expect(c.who).not.toBe('');
      expect(c.when).toMatch(/^2022-0[4-9]-\d\d$/);
      expect(c.on).toMatch(/^(part 1 )?v\d \d\/\d/);
      expect(c.text.length).toBeGreaterThan(10);
      expect(c.fate).not.toBe('');
      expect(c.check !== undefined).toBe(c.kind === 'behaviour');
    }
    expect(claims.filter((c) => c.check !== undefined).length).toBeGreaterThanOrEqual(40);
  });

  it('are all judged in less than a minute of processor time', () => {
    expect(spent).toBeLessThan(60e6);
  });

  it.each(Object.entries(EXPECTED))('%s: %s', (id, letters) => {
    const { verdicts } = resultOf(id);
    expect(CLAIM_REVISIONS.map((rev) => verdicts[rev])).toEqual(letters.split('').map((l) => LETTERS[l]));
  });

  it('have evidence for every verdict, and a command where something runs', () => {
    for (const r of results) {
      for (const rev of CLAIM_REVISIONS) {
        expect(r.evidence[rev]?.text ?? '').not.toBe('');
        if (r.kind === 'behaviour')
          expect(r.evidence[rev]?.command).toMatch(/^vfio-lab claims --id C\d+ --revision v\d/);
      }
    }
  });

  it('have clean runs where the revision is not to blame', () => {
    const blamed = results.flatMap((r) =>
      CLAIM_REVISIONS.filter((rev) => {
        const found = r.evidence[rev]?.values?.['findings'];
        return Array.isArray(found)
          ? found.length > 0
          : Object.keys((found as object | undefined) ?? {}).length > 0;
      }).map((rev) => `${r.id} ${rev}`),
    );
    // C20: VFs are probed under memory_lock, since part 1; lockdep sees the circle where close takes that lock.
    const vfs = ['C20 v4', 'C20 v5', 'C20 v6', 'C20 v7'];
    expect(blamed).toEqual(['C19 v3', ...vfs, 'C24 v3']);
  });
});

describe('the roads not taken', () => {
  it.each([
    ['C11', 'd3cold-access'],
    ['C31', 'd3cold-access'],
    ['C35', 'undirected-suspend'],
    ['C37', 'd3cold-access'],
  ])('%s: the race finds %s in the what-if', (id, kind) => {
    const whatIf = resultOf(id).evidence['v4']?.values?.['whatIf'] as { findings: Record<string, number> };
    expect(whatIf.findings[kind]).toBeGreaterThan(0);
  });

  it('C29: a flag in the handler makes a storm', () => {
    expect(resultOf('C29').evidence['v4']?.values?.['whatIf']).toMatchObject({
      revision: 'v4+flag-in-handler',
      findings: ['irq-storm'],
    });
  });

  it('C30: without the mask the handler reads a device in D3cold', () => {
    expect(resultOf('C30').evidence['v4']?.values?.['whatIf']).toMatchObject({
      revision: 'v4+no-intx-mask',
      findings: ['d3cold-access'],
    });
  });

  it('judges a what-if as a revision of its own', async () => {
    const [r] = await judgeClaims(['v4+exit-order'], { ids: ['C35'] });
    expect(r?.verdicts).toEqual({ 'v4+exit-order': 'holds' });
    const evidence = r?.evidence['v4+exit-order'];
    expect(evidence?.schedule).toMatch(/guest/);
    const [again] = await judgeClaims(['v4+exit-order'], {
      ids: ['C35'],
      seed: evidence?.seed ?? -1,
      tracing: true,
    });
    expect(again?.evidence['v4+exit-order']?.schedule).toBe(evidence?.schedule);
    expect(again?.evidence['v4+exit-order']?.events?.length).toBeGreaterThan(100);
  });
});

describe('judgeClaims', () => {
  it('judges prefixes and the base', async () => {
    const [low, pme, wrap] = await judgeClaims(['base', 'v4@1', 'v4@4', 'v4@6'], {
      ids: ['C7', 'C46', 'c3'],
    });
    expect(low?.verdicts).toEqual({
      base: 'not-reachable',
      'v4@1': 'not-reachable',
      'v4@4': 'holds',
      'v4@6': 'does-not-hold',
    });
    expect(pme?.verdicts).toMatchObject({ 'v4@4': 'not-reachable', 'v4@6': 'holds' });
    expect(wrap?.verdicts).toMatchObject({ base: 'holds', 'v4@6': 'holds' });
  });

  it('says what is wrong with a name', async () => {
    expect(() => claimById('C60')).toThrow('no claim "C60"');
    await expect(judgeClaims(['v9'])).rejects.toThrow('no such revision');
  });

  it('stops when asked', async () => {
    const r = await judgeClaims(['v4', 'v7'], { ids: ['C14', 'C40'], progress: (done) => done === 1 });
    expect(r.map((c) => [c.id, c.verdicts])).toEqual([['C14', { v4: 'does-not-hold' }]]);
  });
});
