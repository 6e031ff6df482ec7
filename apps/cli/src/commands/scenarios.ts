// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab scenarios: what there is to run.
import type { CAC } from 'cac';
import { colors, type Io, width, writeJson } from '../ui/io.ts';
import { table } from '../ui/text.ts';

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command('scenarios', 'List the scenarios')
    .option('--json', 'Print the list as JSON')
    .action(async (options: { json?: boolean }) => {
      const { scenarios } = await import('@vfio-lab/scenarios');
      if (options.json === true) {
        const list = scenarios.map(({ name, about, claims, topology, schedules }) => ({
          name,
          about,
          claims: claims ?? [],
          topology,
          dependsOnSchedule: schedules !== undefined,
        }));
        writeJson(io, list);
        return;
      }
      const rows = scenarios.map((s) => [s.name, s.topology, (s.claims ?? []).join(' '), s.about]);
      const shape = [
        { title: 'scenario' },
        { title: 'topology' },
        { title: 'claims' },
        { title: 'what happens', flexible: true },
      ];
      io.stdout.write(`${table(shape, rows, { width: width(io), head: colors(io).bold }).join('\n')}\n`);
    });
}
