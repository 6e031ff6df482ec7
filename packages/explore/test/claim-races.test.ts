// SPDX-License-Identifier: GPL-2.0-only
import { scenarioByName } from '@vfio-lab/scenarios';
import { InputError } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import { CLAIM_RACES, judgeRaces, notSearched, raceById, type RaceRow } from '../src/index.ts';

const CLAIMS = 'C11 C13 C15 C16 C17 C18 C25 C29 C30 C31 C35 C36 C37 C42 C48'.split(' ');

describe('the races of claims', () => {
  it('are those of the review, each in a scenario that names the claim, with something to see it by', () => {
    expect(CLAIM_RACES.map((r) => r.id)).toEqual(CLAIMS);
    for (const race of CLAIM_RACES) {
      expect(scenarioByName(race.scenario).claims).toContain(race.id);
      expect((race.kinds ?? []).length > 0 || race.outcome !== undefined).toBe(true);
    }
  });

  const variants = CLAIM_RACES.filter((r) => r.whatIf !== null);
  it.each(variants)('$id is found on $whatIf', async ({ id, whatIf }) => {
    const [row] = await judgeRaces([], { ids: [id], executions: 1000 });
    const judged = row.verdicts[whatIf ?? ''];
    expect(judged).toMatchObject({ verdict: 'reachable', revision: whatIf });
    expect(judged.executions).toBeLessThanOrEqual(1000);
  });

  it.each([
    ['v7', 'C13'],
    ['v7', 'C15'],
    ['v7', 'C16', 'C17'],
    ['v7', 'C18', 'C37'],
    ['v7', 'C29'],
    ['v7', 'C30'],
    ['v7', 'C31'],
    ['v7', 'C48'],
    ['v3', 'C31'],
    ['v4', 'C15'],
    ['v4', 'C48'],
  ])('all schedules on %s, and none of them has %s', async (revision, ...ids) => {
    for (const { verdicts } of await judgeRaces([revision], { ids, plain: true, executions: 2000 }))
      expect(verdicts[revision]).toMatchObject({ verdict: 'exhausted-without', schedule: '', remaining: 0 });
  });

  it('C42: v7 has it, v4 cannot', async () => {
    const [row] = await judgeRaces(['v4', 'v7'], { ids: ['C42'], executions: 100 });
    expect(row.verdicts['v4']).toMatchObject({ verdict: 'does-not-arise', executions: 0 });
    expect(row.verdicts['v7'].verdict).toBe('reachable');
    expect(row.verdicts['v7'].text).toContain('told 1 times, count 1');
  });

  it('says how far a search came that was not allowed to end', async () => {
    const [row] = await judgeRaces(['v7'], { ids: ['C11'], plain: true, executions: 20 });
    expect(row.verdicts['v7']).toMatchObject({ verdict: 'not-reached', executions: 20 });
    expect(row.verdicts['v7'].text).toMatch(
      /^none of 20 executions, about [1-9]\d* are left \(executions\)$/,
    );
  });

  it('gives the same in threads as without', async () => {
    const opts = { ids: ['C30', 'C48'], executions: 100 };
    const timeless = (rows: RaceRow[]): string =>
      JSON.stringify(rows, (key, value: unknown) => (key === 'seconds' ? 0 : value));
    const alone = await judgeRaces(['base', 'v4'], opts);
    const progress: number[] = [];
    const watched = { ...opts, stop: ({ done }: { done: number }) => progress.push(done) < 0 };
    expect(timeless(await judgeRaces(['base', 'v4'], { ...watched, jobs: 2 }))).toBe(timeless(alone));
    expect(progress.length).toBeGreaterThan(0);
  });

  it.each([1, 2])('keeps what it has when stopped, with %i thread(s)', async (jobs) => {
    const rows = await judgeRaces(['v4', 'v7'], {
      ids: ['C42', 'C11'],
      plain: true,
      jobs,
      stop: ({ executions }) => executions > 5,
    });
    // Which threads have begun by then is a matter of luck.
    const judged = rows.flatMap((row) => Object.values(row.verdicts));
    expect(judged.some(({ text }) => text.endsWith('(interrupted)'))).toBe(true);
    const left = notSearched(rows, ['v4', 'v7']);
    expect(judged.length + [...left.values()].flat().length).toBe(4);
  });

  it('refuses a claim that speaks of no race', () => {
    expect(() => raceById('C14')).toThrow(InputError);
  });
});
