// SPDX-License-Identifier: GPL-2.0-only
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { check, INVENTORY, leftOutProblems, MINIMUM_OF_FILE } from '../src/check.ts';
import { compareCalls, compareFile, type Surroundings } from '../src/compare.ts';
import { FILES, formatInventory, readInventory } from '../src/inventory.ts';
import { readKernelTree } from '../src/kernel-tree.ts';
import { readMirrored } from '../src/mirrored.ts';

const dir = mkdtempSync(path.join(tmpdir(), 'port-check-'));

function file(name: string, text: string): string {
  const full = path.join(dir, name);
  mkdirSync(path.dirname(full), { recursive: true });
  writeFileSync(full, text);
  return full;
}

describe('the mirrored files', () => {
  const inventory = readInventory(INVENTORY);
  const result = check(inventory);

  it.each(result.files.map((f) => [f.path, f] as const))('%s has every function, in order', (_, f) => {
    expect(f.absent).toEqual([]);
    expect(f.misplaced).toEqual([]);
    expect(f.linkage).toEqual([]);
    expect(f.score).toBeGreaterThanOrEqual(MINIMUM_OF_FILE);
  });

  it('are all of the base, with no function below the minimum', () => {
    expect(result.files.map((f) => f.path)).toEqual(FILES);
    expect(result.files.reduce((sum, f) => sum + f.definitions, 0)).toBe(235 + 7);
    expect(result.problems).toEqual([]);
  });

  it('say of each function that is left out why', () => {
    for (const entry of result.leftOut)
      expect(`${entry.condition}: ${entry.reason}`).toMatch(/^CONFIG_\w+: \w+ .+/);
  });
});

describe('comparing calls', () => {
  it('matches in order and tells missing, extra and moved apart', () => {
    const r = compareCalls('f', ['lock', 'a', 'b', 'unlock'], ['lock', 'b', 'a', 'unlock', 'c']);
    expect(r.matched).toBe(3);
    expect(r.moved).toHaveLength(1);
    expect(r.missing).toEqual([]);
    expect(r.extra).toEqual(['c']);
    expect(r.score).toBeCloseTo(6 / 9);
  });

  it('counts neither arithmetic macros nor what only TypeScript needs', () => {
    expect(compareCalls('f', ['min', 'kcalloc', 'go'], ['kzalloc', 'container_of', 'go']).score).toBe(1);
  });

  it('gives a function without calls the full score', () => {
    expect(compareCalls('f', [], []).score).toBe(1);
  });
});

describe('comparing a file', () => {
  const mirror = file(
    'mirror.ts',
    `import { lock } from '@vfio-lab/locking';
/** C: f.c static second() */
export function second(this: K) { lock(); }
/** C: f.c first() */
export function first(this: K) { this.second(); [].push(1); }
/** No line with the C name. */
export function third(this: K) {}
function helper() {}
`,
  );
  const c = (name: string, isStatic: boolean, calls: string[]) => ({ name, isStatic, calls });
  const around: Surroundings = {
    known: new Set(['lock', 'second']),
    calledElsewhere: new Map([['second', 'other.ts']]),
  };

  it('finds what is absent, out of order, of another linkage, called from where it cannot be', () => {
    const functions = [
      c('first', false, ['second']),
      c('second', true, ['lock']),
      c('third', false, []),
      c('gone', true, []),
    ];
    const r = compareFile({ path: 'f.c', functions }, readMirrored(mirror), around);
    expect(r.absent).toEqual(['gone']);
    expect(r.misplaced).toHaveLength(1);
    expect(r.linkage).toEqual(['second is static and other.ts calls it', 'third is not static in C']);
    expect([r.present, r.definitions]).toEqual([3, 4]);
    expect(r.functions.map((f) => f.score)).toEqual([1, 1, 1, 0]);
  });

  it('takes two definitions under opposite conditions for one function', () => {
    const r = compareFile(
      { path: 'f.c', functions: [c('second', true, ['lock']), c('second', true, [])] },
      readMirrored(mirror),
      {
        ...around,
        calledElsewhere: new Map(),
      },
    );
    expect([r.present, r.definitions, r.score]).toEqual([2, 2, 1]);
  });
});

describe('reading a kernel tree', () => {
  it('has the functions in order with linkage and calls, those of macros among them', async () => {
    file(
      'tree/drivers/x.c',
      `#ifdef __LITTLE_ENDIAN
#define my_read8 raw_read8
#else
#define my_read8 raw_read8be
#endif
#define MAKE(size) \\
static int get##size(struct dev *d) \\
{ \\
	check(d); \\
	return my_read##size(d); \\
}
MAKE(8)
#ifdef CONFIG_X
static bool __init only_x(struct dev *d) { return true; }
#endif
int run(struct dev *d, char __user *buf)
{
	struct box *b = container_of(d, struct box, dev);
	u32 v = (u32)(get8(d));

	if (unlikely(!b->ops->go(b, sizeof(*b)) || (*b->fn)(v)))
		goto out;
	list_for_each_entry(b, &d->list, node) {
		put(get8(d));
	}
out:
	return d->ops[0].stop(d);
}
`,
    );
    const [x] = await readKernelTree(path.join(dir, 'tree'), ['drivers/x.c']);
    expect(x.functions).toEqual([
      { name: 'get8', isStatic: true, calls: ['check', 'raw_read8'] },
      { name: 'only_x', isStatic: true, calls: [] },
      {
        name: 'run',
        isStatic: false,
        calls: ['get8', 'go', 'fn', 'list_for_each_entry', 'put', 'get8', 'stop'],
      },
    ]);
    const saved = file('saved.json', formatInventory('x', [x]));
    expect(readInventory(saved)).toEqual([x]);
  });

  it('compares the files that are left out with their list', () => {
    const path = 'drivers/vfio/vfio_spapr_eeh.c';
    const defined = ['vfio_spapr_pci_eeh_open', 'vfio_spapr_pci_eeh_release', 'new_one'];
    const functions = defined.map((name) => ({ name, isStatic: false, calls: [] }));
    expect(leftOutProblems([{ path, functions }])).toEqual([
      `new_one of ${path} is neither there nor listed as left out`,
      `vfio_spapr_iommu_eeh_ioctl is listed as left out, but ${path} has no such function`,
    ]);
  });

  it('says which file it cannot read', async () => {
    await expect(readKernelTree(dir, ['no.c'])).rejects.toThrow(/no\.c/);
    expect(() => readInventory(file('empty.json', '{}'))).toThrow(/no "files"/);
  });
});
