// SPDX-License-Identifier: GPL-2.0-only
// `node tools/boot.mjs port-check ...`: see tools/port-check/src/main.ts
await import('./register.mjs');
await import('./port-check/src/main.ts');
