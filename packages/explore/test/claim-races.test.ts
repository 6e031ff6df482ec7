// SPDX-License-Identifier: GPL-2.0-only
import { scenarioByName } from '@vfio-lab/scenarios';
import { InputError } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import { CLAIM_RACES, judgeRaces, raceById } from '../src/index.ts';

const CLAIMS = 'C11 C13 C15 C16 C17 C18 C25 C29 C30 C31 C35 C36 C37 C42 C48'.split(' ');

describe('the races of claims', () => {
  it('are those of the review, each in a scenario that names the claim, with something to see it by', () => {
    expect(CLAIM_RACES.map((r) => r.id)).toEqual(CLAIMS);
    for (const race of CLAIM_RACES) {
      expect(scenarioByName(race.scenario).claims).toContain(race.id);
      expect((race.kinds ?? []).length > 0 || race.outcome !== undefined).toBe(true);
    }
  });

  const variants = CLAIM_RACES.filter((r) => r.whatIf !== null && r.id !== 'C15');
  it.each(variants)('$id is found on $whatIf', async ({ id, whatIf }) => {
    const [row] = await judgeRaces([], { ids: [id], executions: 400 });
    const judged = row.verdicts[whatIf ?? ''];
    expect(judged).toMatchObject({ verdict: 'reachable', revision: whatIf });
    expect(judged.executions).toBeLessThanOrEqual(400);
  });

  it('C13: all schedules on v7, and none of them has it', async () => {
    const [row] = await judgeRaces(['v7'], { ids: ['C13'], plain: true, executions: 2000 });
    expect(row.verdicts['v7']).toMatchObject({ verdict: 'exhausted-without', schedule: '', bound: -1 });
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
    expect(row.verdicts['v7'].text).toContain('none of 20 executions');
  });

  it('stops when asked to, and refuses a claim that speaks of no race', async () => {
    const [row] = await judgeRaces(['v7'], { ids: ['C35'], stop: () => true });
    expect(row.verdicts).toEqual({});
    expect(() => raceById('C14')).toThrow(InputError);
  });
});
