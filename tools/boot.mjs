// SPDX-License-Identifier: GPL-2.0-only
// What every npm script goes through, so that a fresh clone needs nothing but Node and git: install the
// dependencies when that has not been done for this lockfile, then run the target. Node built-ins only.
//
//   node tools/boot.mjs install            only install
//   node tools/boot.mjs cli <arguments>    the vfio-lab command
//   node tools/boot.mjs <tool> <arguments> tools/<tool>.mjs
//   node tools/boot.mjs bin <name> <arguments> a program from node_modules/.bin
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const stampFile = path.join(root, 'node_modules', '.vfio-lab-installed');

/** What an install depends on. package.json files of the workspace are covered by the lockfile. */
function wanted() {
  const hash = createHash('sha256');
  for (const name of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json']) {
    hash.update(readFileSync(path.join(root, name)));
  }
  return hash.digest('hex');
}

function installed() {
  return existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : '';
}

/** Installs with the pnpm that package.json pins, fetched by npm. Says so in two lines on stderr. */
function install() {
  const { packageManager } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const pnpm = String(packageManager).split('+')[0];
  const started = performance.now();
  process.stderr.write(`vfio-lab: installing dependencies with ${pnpm} (once) ...\n`);
  // --prod=false: an inherited NODE_ENV=production would leave out tsx.
  const args = ['exec', '--yes', `--package=${pnpm}`, '--', 'pnpm', 'install', '--frozen-lockfile'];
  args.push('--prod=false', '--reporter=append-only');
  const child = spawnSync('npm', args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
    maxBuffer: 1 << 28,
    // CI: never ask. The rest keeps npm's own settings of an outer `npm run` from reaching pnpm.
    env: { ...process.env, CI: '1', npm_config_loglevel: 'error' },
  });
  if (child.error || child.status !== 0) {
    process.stderr.write(`${child.stdout ?? ''}${child.stderr ?? ''}${child.error?.message ?? ''}\n`);
    process.stderr.write(
      'vfio-lab: install failed (above): check the network and the npm registry setting\n',
    );
    process.exit(child.signal === 'SIGINT' ? 130 : 1);
  }
  writeFileSync(stampFile, wanted());
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  process.stderr.write(`vfio-lab: installed in ${seconds} s\n`);
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`vfio-lab: needs Node 20.19 or newer, this is ${process.versions.node}\n`);
  process.exit(1);
}
if (installed() !== wanted()) install();

const [target = 'install', ...args] = process.argv.slice(2);
process.env['PATH'] = path.join(root, 'node_modules', '.bin') + path.delimiter + process.env['PATH'];

if (target === 'cli') {
  // No child process: signals and the exit code are the command's own. Paths in the arguments are relative
  // to where the user stands, not to where npm goes before it runs a script.
  process.chdir(process.env['INIT_CWD'] ?? process.cwd());
  const main = path.join(root, 'apps', 'cli', 'src', 'main.ts');
  process.argv = [process.argv[0] ?? 'node', main, ...args];
  await import('./register.mjs');
  await import(pathToFileURL(main).href);
} else if (target === 'bin') {
  const child = spawnSync(args[0] ?? '', args.slice(1), {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (child.error) process.stderr.write(`vfio-lab: ${child.error.message}\n`);
  process.exitCode = child.status ?? (child.signal === 'SIGINT' ? 130 : 1);
} else if (target !== 'install') {
  process.argv = [process.argv[0] ?? 'node', path.join(root, 'tools', `${target}.mjs`), ...args];
  await import(`./${target}.mjs`);
}
