// SPDX-License-Identifier: GPL-2.0-only
// Lets this process, or one started with --import, import TypeScript.
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';

// A simulation runs much code a little: compiled without waiting for it to get hot, and optimised after a third of the
// usual time, a search of a thousand executions takes half as long.
setFlagsFromString('--always-sparkplug');
setFlagsFromString('--interrupt-budget=20000');

process.env['TSX_TSCONFIG_PATH'] ??= fileURLToPath(new URL('../tsconfig.base.json', import.meta.url));
const tsx = await import('tsx/esm/api');
tsx.register();
register('./loader.mjs', import.meta.url);
