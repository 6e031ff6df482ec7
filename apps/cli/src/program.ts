// SPDX-License-Identifier: GPL-2.0-only
// The command line: what is registered, and what becomes of errors.
import cac from 'cac';
import type { CAC } from 'cac';
import * as claims from './commands/claims.ts';
import * as contention from './commands/contention.ts';
import * as explore from './commands/explore.ts';
import * as fuzz from './commands/fuzz.ts';
import * as mutants from './commands/mutants.ts';
import * as port from './commands/port.ts';
import * as check from './commands/check.ts';
import * as replay from './commands/replay.ts';
import * as review from './commands/review.ts';
import * as runScript from './commands/run.ts';
import * as scenario from './commands/scenario.ts';
import * as scenarios from './commands/scenarios.ts';
import * as series from './commands/series.ts';
import { STDIN } from './ui/io.ts';
import type { Io } from './ui/io.ts';
import { nearest } from '@vfio-lab/sim';

/** A command: one file in commands/, which registers itself and loads what it needs when it runs. */
export interface CommandModule {
  register(cli: CAC, io: Io): void;
}

const COMMANDS: CommandModule[] = [
  review,
  check,
  claims,
  series,
  scenarios,
  scenario,
  explore,
  fuzz,
  runScript,
  replay,
  contention,
  mutants,
  port,
];
const VERSION = '0.1.0';

/** A command line that makes no sense: one line and a hint, status 2. Commands may throw it. */
export class UsageError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'UsageError';
    this.hint = hint;
  }
}

/**
 * Runs a command line.
 *
 * @param args without node and the script
 * @returns the exit status: what the command's action returns (nothing: 0), 2 for a command line or an input that
 * makes no sense, 1 for a failure of vfio-lab itself
 */
export async function run(args: string[], io: Io, commands: CommandModule[] = COMMANDS): Promise<number> {
  try {
    const cli = cac('vfio-lab');
    for (const command of commands) command.register(cli, io);
    cli.help((sections) => {
      // cac leaves the lines it has no title for unindented; the rest is as it should be.
      io.stdout.write(
        `${sections.map(({ title, body }) => (title ? `${title}:\n${body}` : body)).join('\n\n')}\n`,
      );
      return [];
    });
    cli.option('--version', 'Print the version');
    if (args.includes('--version') && !cli.commands.some((command) => command.name === args[0])) {
      io.stdout.write(`vfio-lab ${VERSION}\n`);
      return 0;
    }
    const words = args.map((arg) => (arg === '-' ? STDIN : arg));
    const parsed = quietly(() => cli.parse(['node', 'vfio-lab', ...words], { run: false }));
    if (parsed.options['help']) return 0;
    if (!cli.matchedCommand) {
      const [name] = parsed.args;
      if (name === undefined && args.length === 0) {
        quietly(() => cli.outputHelp());
        return 0;
      }
      const names = cli.commands.map((command) => command.name);
      if (name !== undefined)
        throw new UsageError(`no command "${name}"`, hint(name, names, 'vfio-lab --help'));
      throw new UsageError(`no command in "${args.join(' ')}"`, 'vfio-lab --help lists them');
    }
    checkOptions(cli);
    const status: unknown = await cli.runMatchedCommand();
    return typeof status === 'number' ? status : 0;
  } catch (error) {
    return report(error, io);
  }
}

function hint(word: string, known: string[], help: string): string {
  const guess = nearest(word, known);
  return guess ? `did you mean ${guess}?` : `${help} lists them`;
}

/** cac's own check names the option only; this one also knows what was meant. */
function checkOptions(cli: CAC): void {
  const command = cli.matchedCommand;
  if (!command) return;
  const options = [...command.options, ...cli.globalCommand.options];
  const known = options.flatMap((option) => option.names).map(dashed);
  for (const name of Object.keys(cli.options)) {
    if (name === '--' || command.hasOption(name) || cli.globalCommand.hasOption(name)) continue;
    const guess = nearest(dashed(name), known);
    throw new UsageError(
      `no option ${name.length === 1 ? '-' : '--'}${dashed(name)}`,
      guess ? `did you mean --${guess}?` : `vfio-lab ${command.name} --help lists them`,
    );
  }
}

/** cac gives the names of options in camel case. */
function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** cac prints help with console.log even when its callback has taken the sections. */
function quietly<T>(print: () => T): T {
  const { info, log } = console;
  console.info = () => undefined;
  console.log = () => undefined;
  try {
    return print();
  } finally {
    console.info = info;
    console.log = log;
  }
}

function report(error: unknown, io: Io): number {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  const line = message.replace(/\s*\n\s*/g, ' ');
  // By name: the packages that read input have their own class of that name, all with a one-line message.
  if (name === 'InputError') {
    io.stderr.write(`vfio-lab: ${line}\n`);
    return 2;
  }
  if (error instanceof UsageError) {
    io.stderr.write(`vfio-lab: ${line}: ${error.hint}\n`);
    return 2;
  }
  if (name === 'CACError') {
    io.stderr.write(`vfio-lab: ${line.replace(/`/g, '"')}: vfio-lab --help shows the usage\n`);
    return 2;
  }
  const where = io.env['VFIO_LAB_DEBUG'] ? `\n${stack ?? ''}` : ' (VFIO_LAB_DEBUG=1 shows where)';
  io.stderr.write(`vfio-lab: internal error: ${line}${where}\n`);
  return 1;
}
