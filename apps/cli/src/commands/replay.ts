// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab replay: a script on a recorded machine, compared line by line with what a real kernel answered.
import type { Difference, Replayed } from '@vfio-lab/testbed';
import type { CAC } from 'cac';
import { UsageError } from '../program.ts';
import { colors, type Io, width, writeJson } from '../ui/io.ts';
import { interruptible } from '../ui/interrupt.ts';
import { progress } from '../ui/progress.ts';
import { table } from '../ui/text.ts';

interface Options {
  machine?: string;
  revision?: string;
  against?: string;
  all?: boolean;
  dir?: string;
  json?: boolean;
}

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command('replay [script]', 'Run a script and compare its trace with a recording of a real kernel')
    .option('--machine <file>', 'Machine file that the recording was made on')
    .option('--revision <name>', 'Driver to run it on')
    .option('--against <trace>', 'The recording, JSON lines')
    .option('--all', 'Replay every recording there is')
    .option(
      '--dir <dir>',
      'With --all: folder with index.json, scripts, machines and traces, in place of those kept here',
    )
    .option('--json', 'Print the result as JSON')
    .example('  vfio-lab replay p02.vt --machine machineP.json --revision v4@6 --against p02.machineP.jsonl')
    .action(async (script: string | undefined, options: Options) => {
      if (options.all === true) return replayAll(options, io);
      const { machine, revision, against } = options;
      if (script === undefined || machine === undefined || revision === undefined || against === undefined) {
        throw new UsageError('replay needs a script, --machine, --revision and --against', 'or --all');
      }
      const { replay } = await import('@vfio-lab/testbed');
      const result = await replay({ script, machine, revision, against });
      if (options.json === true) writeJson(io, result);
      else io.stdout.write(`${render(result).join('\n')}\n`);
      return result.equal === result.compared ? 0 : 1;
    });
}

function render(r: Replayed): string[] {
  const lines = [`${r.equal}/${r.compared} lines equal`];
  for (const d of r.differences) {
    lines.push(
      `${d.n}: ${d.op}`,
      `  expected ${JSON.stringify(d.expected)}`,
      `  got      ${JSON.stringify(d.got)}`,
    );
  }
  for (const d of r.excepted)
    lines.push(`${d.n}: ${d.op}: not compared, the recording kernel has a later fix`);
  for (const t of r.times)
    lines.push(`${t.n}: equal when the recorder took ${t.ns / 1000} µs before this operation`);
  return lines;
}

/** A recording and what came of it. */
interface Row {
  script: string;
  machine: string;
  revision: string;
  equal: number;
  compared: number;
  differences: Difference[];
  excepted: number[];
  times: Replayed['times'];
  error?: string;
}

async function replayAll(options: Options, io: Io): Promise<number> {
  const { bootsOf, readIndex, recordingsDir, RecordedBoot, wholeBoot } = await import('@vfio-lab/testbed');
  const entries = readIndex(options.dir ?? recordingsDir());
  const meter = progress(io, 'replay');
  const interrupt = interruptible();
  const rows = new Map<(typeof entries)[number], Row>();
  replaying: for (const boot of bootsOf(entries)) {
    let recorded: InstanceType<typeof RecordedBoot> | null = null;
    for (const e of wholeBoot(boot)) {
      meter.update(rows.size, entries.length, e.name);
      if (await interrupt.asked()) break replaying;
      const row = { script: e.name, machine: e.machineName, revision: e.revision };
      try {
        recorded ??= new RecordedBoot(e.machine, e.revision);
        const r = await recorded.replay(e);
        if (boot.includes(e)) rows.set(e, { ...row, ...r, excepted: r.excepted.map((d) => d.n) });
      } catch (error) {
        const nothing = { equal: 0, compared: e.ops, differences: [], excepted: [], times: [] };
        if (boot.includes(e)) rows.set(e, { ...row, ...nothing, error: (error as Error).message });
      }
    }
  }
  meter.end();
  interrupt.end();
  const results = entries.flatMap((e) => rows.get(e) ?? []);
  const equal = results.reduce((n, r) => n + r.equal, 0);
  const compared = results.reduce((n, r) => n + r.compared, 0);
  if (options.json === true) {
    writeJson(io, { equal, compared, recordings: results });
  } else {
    const shape = [
      { title: 'script' },
      { title: 'machine' },
      { title: 'revision' },
      { title: 'equal', align: 'right' as const },
      { title: '', flexible: true },
    ];
    const cells = results.map((r) => [
      r.script,
      r.machine,
      r.revision,
      `${r.equal}/${r.compared}`,
      remark(r),
    ]);
    io.stdout.write(
      `${table(shape, cells, { width: width(io), head: colors(io).bold }).join('\n')}\n${equal}/${compared} lines equal\n`,
    );
    if (results.length < entries.length)
      io.stdout.write(`stopped: ${entries.length - results.length} recordings were not replayed\n`);
  }
  return equal === compared && results.length === entries.length ? 0 : 1;
}

function remark(r: Row): string {
  if (r.error !== undefined) return r.error;
  const remarks = r.equal === r.compared ? [] : ['differs'];
  if (r.excepted.length > 0) remarks.push(`later fix: ${r.excepted.join(', ')}`);
  if (r.times.length > 0) remarks.push(`time before ${r.times.map((t) => t.n).join(', ')}`);
  return remarks.join('; ');
}
