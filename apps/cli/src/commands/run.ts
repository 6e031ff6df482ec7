// SPDX-License-Identifier: GPL-2.0-only
// vfio-lab run <script.vt>: a script of VFIO operations on a simulated machine, as a JSON-lines trace.
import type { CAC } from 'cac';
import { type Io, readInput, writeJsonLine } from '../ui/io.ts';

interface Options {
  revision: string;
  topology: string;
  machine?: string;
  options?: string;
  seed?: number;
  schedule?: string;
}

/** Registers the command. */
export function register(cli: CAC, io: Io): void {
  cli
    .command('run <script>', 'Run a script of VFIO operations and print its trace, one JSON object a line')
    .option('--revision <name>', 'Driver to run it on: base, v4, v4@4, ...', { default: 'v4' })
    .option('--topology <name>', 'Machine to run it on', { default: 'gpu' })
    .option('--machine <file>', 'Machine file to run it on instead')
    .option('--options <params>', 'Module parameters of vfio-pci, e.g. disable_idle_d3=1')
    .example('  vfio-lab run enter.vt --revision v4@4 --topology gpu')
    .action(async (script: string, options: Options) => {
      const { bootTestbed, parseScript, readMachineFile, runScriptChecked } =
        await import('@vfio-lab/testbed');
      const text = new TextDecoder().decode(readInput(script));
      const parsed = parseScript(text, script);
      const testbed = await bootTestbed({
        revision: options.revision,
        ...(options.machine === undefined
          ? { topology: options.topology }
          : { machine: readMachineFile(options.machine), kernel: 'v6.1.192' as const }),
        options: options.options ?? '',
      });
      const findings = await runScriptChecked(testbed, parsed, (line) => writeJsonLine(io, line));
      for (const f of findings) io.stderr.write(`vfio-lab: ${f.kind}: ${f.text}\n`);
      return findings.length > 0 ? 3 : 0;
    });
}
