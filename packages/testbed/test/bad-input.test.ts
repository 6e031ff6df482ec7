// SPDX-License-Identifier: GPL-2.0-only
// Damaged machine files and scripts: one line that says what is wrong, or a run; never an exception of another kind.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { InputError } from '@vfio-lab/sim';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { bootTestbed, parseScript, readMachineFile, recordingsDir, runScript } from '../src/index.ts';
import { loadMachine, type MachineJson, storeMachine } from './derived.ts';

const SEED = Number(process.env['VFIO_LAB_SEED'] ?? 20_221_127);
const RUNS = Number(process.env['VFIO_LAB_RUNS'] ?? 40);

const dir = mkdtempSync(path.join(tmpdir(), 'vfio-lab-'));
afterAll(() => rmSync(dir, { recursive: true }));
mkdirSync(dir, { recursive: true });

/** Every path to a member or element of a JSON value. */
function paths(value: unknown, at: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([k, v]) => paths(v, [...at, k]))];
}

function damage(json: MachineJson, at: (string | number)[], how: number): void {
  const last = at.at(-1);
  if (last === undefined) return;
  let holder = json as unknown as Record<string | number, unknown>;
  for (const key of at.slice(0, -1)) holder = holder[key] as Record<string | number, unknown>;
  const old = holder[last];
  const values = [
    null,
    0,
    -1,
    1e9,
    '',
    'x',
    '0000:00:00.0',
    [],
    {},
    true,
    typeof old === 'string' ? old.slice(0, -1) : 'y',
    typeof old === 'string' ? old.replace(/[0-9a-f]/, 'f') : [old],
  ];
  if (how === 0) delete holder[last];
  else holder[last] = values[(how - 1) % values.length];
}

/** True when it worked, the message when it was an InputError. */
async function outcome(run: () => Promise<unknown>): Promise<true | string> {
  try {
    await run();
    return true;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.message;
  }
}

describe(`damaged files (seed ${SEED})`, () => {
  const pristine = loadMachine(path.join(recordingsDir(), 'machines'), 'machineB');
  // Most of a machine are masks; half of the damage shall hit the rest.
  const all = [paths(pristine), paths(pristine).filter((at) => at[0] !== 'wmask')];

  it('a machine boots, or one line says what is wrong with it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(), fc.nat(12)), { minLength: 1, maxLength: 3 }),
        async (damages) => {
          const m = structuredClone(pristine);
          for (const [which, how] of damages) {
            try {
              const list = all[which % 2];
              damage(m, list[which % list.length], how);
            } catch {
              // What it was in is gone already.
            }
          }
          const result = await outcome(async () => {
            const file = storeMachine(dir, 'm', m);
            const testbed = await bootTestbed({
              revision: 'v7',
              machine: readMachineFile(file),
              kernel: 'v6.1.192',
            });
            await runScript(testbed, parseScript('load_vfio\nbind 0000:02:00.0\n', 's'), () => {});
          });
          if (result !== true) expect(result.split('\n')).toHaveLength(1);
        },
      ),
      { seed: SEED, numRuns: RUNS },
    );
  });

  const scripts = path.join(recordingsDir(), 'scripts');
  const lines = readdirSync(scripts)
    .flatMap((f) => readFileSync(path.join(scripts, f), 'utf8').split('\n').slice(0, 60))
    .filter((l) => l !== '' && !l.startsWith('#'));

  it('a script runs, or one line says what is wrong with it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(
            fc.constantFrom(...lines),
            fc.nat(),
            fc.constantFrom('', ' ', '"', 'x', '-1', ',', '0x', '\\', '='),
          ),
          {
            minLength: 1,
            maxLength: 12,
          },
        ),
        async (edited) => {
          const text = edited
            .map(([line, at, insert]) => {
              const i = at % (line.length + 1);
              return at % 3 === 0
                ? line
                : at % 3 === 1
                  ? line.slice(0, i)
                  : line.slice(0, i) + insert + line.slice(i);
            })
            .filter((line) => !line.startsWith('sleep') && !line.startsWith('unbind'));
          writeFileSync(path.join(dir, 's.vt'), text.join('\n'));
          // Line by line, so that one bad line does not hide the others.
          const good: string[] = [];
          for (const line of text) {
            const result = await outcome(() => Promise.resolve(parseScript(line, 's.vt')));
            if (result === true) good.push(line);
            else expect(result.split('\n')).toHaveLength(1);
          }
          const result = await outcome(async () => {
            const testbed = await bootTestbed({ revision: 'v7', topology: 'gpu' });
            await runScript(testbed, parseScript(good.join('\n'), 's.vt'), () => {});
          });
          if (result !== true) expect(result.split('\n')).toHaveLength(1);
        },
      ),
      { seed: SEED, numRuns: RUNS },
    );
  });
});
