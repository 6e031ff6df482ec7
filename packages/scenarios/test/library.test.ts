// SPDX-License-Identifier: GPL-2.0-only
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '@vfio-lab/sim';
import { topologyNames } from '@vfio-lab/testbed';
import { describe, expect, it } from 'vitest';
import { scenarioByName, scenarios } from '../src/index.ts';

const FILES = readdirSync(path.join(import.meta.dirname, '..', 'src', 'library')).filter(
  (f) => f !== 'index.ts',
);

describe('the library', () => {
  it('has unique kebab-case names, each the name of a file', () => {
    const names = scenarios.map((s) => s.name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    expect(names.map((n) => `${n}.ts`).toSorted()).toEqual(FILES.toSorted());
  });

  it.each([...scenarios])('$name says what happens, and where', (s) => {
    expect(s.about.length).toBeGreaterThan(40);
    expect(s.about).toMatch(/^[A-Z].*[^.]$/);
    expect(topologyNames()).toContain(s.topology);
    for (const claim of s.claims ?? []) expect(claim).toMatch(/^C\d+$/);
  });

  it('finds a scenario by name, and says so when there is none', () => {
    expect(scenarioByName('exit-vs-host-access').name).toBe('exit-vs-host-access');
    expect(scenarioByName('config-access-vs-low-power-entry').claims).toContain('C11');
    expect(() => scenarioByName('nothing')).toThrow(InputError);
  });
});
