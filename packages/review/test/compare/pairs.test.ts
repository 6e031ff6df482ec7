// SPDX-License-Identifier: GPL-2.0-only
import { SERIES } from '@vfio-lab/series';
import { describe, expect, it } from 'vitest';
import { pair, type Pairable, similarity } from '../../src/index.ts';

const patch = (
  number: number,
  subject: string,
  functions: string[] = [],
  files: string[] = [],
): Pairable => ({ number, subject, functions, files });
const of = (name: string): Pairable[] =>
  (SERIES.find((s) => s.name === name)?.patches ?? []).map(({ patch: p }) => ({
    number: p.number,
    subject: p.subject,
    files: p.files,
    functions: Object.values(p.functions).flat(),
  }));

/** '1>3' for a pair, '5>' for a dropped patch, '>5' for a new one, * for a moved one. */
const arrows = (a: Pairable[], b: Pairable[]): string[] =>
  pair(a, b).map(
    (p) => `${p.a === null ? '' : a[p.a].number}>${p.b === null ? '' : b[p.b].number}${p.moved ? '*' : ''}`,
  );

describe('pairing patches', () => {
  it('should follow a patch to its new place', () => {
    const a = [
      patch(1, 'lamp: Add a switch', ['on']),
      patch(2, 'lamp: Count', ['count']),
      patch(3, 'lamp: Lock', ['lock']),
    ];
    expect(arrows(a, [a[1], a[2], a[0]])).toEqual(['1>1*', '2>2', '3>3']);
  });

  it('should know a patch by its functions when it has a new name', () => {
    const a = [patch(1, 'lamp: Switch it', ['lamp_on', 'lamp_off'])];
    const b = [patch(1, 'lamp: Rework power', ['lamp_on', 'lamp_off'])];
    expect(arrows(a, b)).toEqual(['1>1']);
    expect(similarity(a[0], b[0])).toBe(0.75);
  });

  it('should leave alone what has nothing in common', () => {
    expect(
      arrows([patch(1, 'lamp: Add a switch', ['on'])], [patch(1, 'lamp: Document units', ['doc'])]),
    ).toEqual(['1>', '>1']);
  });

  it.each([
    ['v3', 'v4', ['1>', '2>', '3>', '4>', '5>', '6>3', '7>1*', '8>4', '>2', '>5', '>6']],
    ['v4', 'v7', ['1>3*', '2>1', '3>2', '4>4', '5>', '6>', '>5']],
    ['v5', 'v6', ['1>1', '2>2', '3>3', '4>4', '5>5']],
    ['v6', 'v7', ['1>1', '2>2', '3>3', '4>4', '5>5']],
  ])('should pair %s and %s', (a, b, expected) => {
    expect(arrows(of(a), of(b))).toEqual(expected);
  });

  it('should take long series, too', () => {
    const long = Array.from({ length: 40 }, (_, i) => patch(i + 1, `lamp: Step ${i} of many`, [`f${i}`]));
    expect(arrows(long, long)).toEqual(long.map((p) => `${p.number}>${p.number}`));
  });
});
