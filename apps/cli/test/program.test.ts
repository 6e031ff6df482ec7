// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, it } from 'vitest';
import { run } from '../src/program.ts';
import type { CommandModule } from '../src/program.ts';
import { capture } from './helpers.ts';

class InputError extends Error {
  override name = 'InputError';
}

const command = (action: (name: string, options: { json?: boolean }) => unknown): CommandModule => ({
  register(cli) {
    cli.command('greet <name>', 'Greet somebody').option('--json', 'As JSON').action(action);
  },
});

describe('the command line', () => {
  it('should run the action and return its status', async () => {
    const seen: unknown[] = [];
    const io = capture();
    const action = async (name: string, options: { json?: boolean }): Promise<number> => {
      await Promise.resolve();
      seen.push(name, options.json);
      return 3;
    };

    expect(await run(['greet', 'ada', '--json'], io, [command(action)])).toBe(3);
    expect(seen).toEqual(['ada', true]);
    expect(await run(['greet', 'ada'], io, [command(() => undefined)])).toBe(0);
    expect(io).toMatchObject({ out: '', err: '' });
  });

  it.each([
    [['greet', 'ada', '--jsn'], 'vfio-lab: no option --jsn: did you mean --json?\n'],
    [['greet', 'ada', '--zebra'], 'vfio-lab: no option --zebra: vfio-lab greet --help lists them\n'],
    [['greet', 'ada', '-z'], 'vfio-lab: no option -z: vfio-lab greet --help lists them\n'],
    [['gret'], 'vfio-lab: no command "gret": did you mean greet?\n'],
    [['dance'], 'vfio-lab: no command "dance": vfio-lab --help lists them\n'],
    [['--json'], 'vfio-lab: no command in "--json": vfio-lab --help lists them\n'],
    [
      ['greet'],
      'vfio-lab: missing required args for command "greet <name>": vfio-lab --help shows the usage\n',
    ],
    [['greet', 'ada', 'bob'], 'vfio-lab: Unused args: "bob": vfio-lab --help shows the usage\n'],
  ])('should answer %j with one line and status 2', async (args, line) => {
    const io = capture();

    expect(await run(args, io, [command(() => 0)])).toBe(2);
    expect(io).toMatchObject({ out: '', err: line });
  });

  it('should print an input error as one line, status 2', async () => {
    const io = capture();
    const fail = (): never => {
      throw new InputError('no such file: x: check\n the path');
    };

    expect(await run(['greet', 'ada'], io, [command(fail)])).toBe(2);
    expect(io.err).toBe('vfio-lab: no such file: x: check the path\n');
  });

  it('should keep the stack of its own failures for those who ask', async () => {
    const fail = (): Promise<never> => Promise.reject(new Error('boom'));
    const io = capture();
    expect(await run(['greet', 'ada'], io, [command(fail)])).toBe(1);
    expect(io.err).toBe('vfio-lab: internal error: boom (VFIO_LAB_DEBUG=1 shows where)\n');

    const debug = capture({ VFIO_LAB_DEBUG: '1' });
    await run(['greet', 'ada'], debug, [command(fail)]);
    expect(debug.err).toMatch(/^vfio-lab: internal error: boom\nError: boom\n\s+at /);
  });

  it.each([[[]], [['--help']], [['-h']]])('should list the commands for %j', async (args) => {
    const io = capture();

    expect(await run(args, io, [command(() => 9)])).toBe(0);
    expect(io.out).toMatch(/^vfio-lab\n\nUsage:\n {2}\$ vfio-lab <command>/);
    expect(io.out).toContain('greet <name>  Greet somebody');
    expect(io.err).toBe('');
  });

  it('should explain one command', async () => {
    const io = capture();

    expect(await run(['greet', '--help'], io, [command(() => 9)])).toBe(0);
    expect(io.out).toContain('$ vfio-lab greet <name>');
    expect(io.out).toContain('--json');
  });

  it('should print its version', async () => {
    const io = capture();

    expect(await run(['--version'], io)).toBe(0);
    expect(io.out).toMatch(/^vfio-lab \d+\.\d+\.\d+\n$/);
  });
});
