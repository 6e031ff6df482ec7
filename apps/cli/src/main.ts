#!/usr/bin/env node
// SPDX-License-Identifier: GPL-2.0-only
import { run } from './program.ts';

// No SIGINT handler: a simulation never yields to the event loop, where a handler would wait for its turn.
// Without one the system ends the process at once, which a shell sees as status 130.

// Whoever reads the output may stop reading: `vfio-lab scenarios | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.setSourceMapsEnabled(true);
process.exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
});
