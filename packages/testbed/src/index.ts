// SPDX-License-Identifier: GPL-2.0-only
export * from './at-rest.ts';
export * from './boot.ts';
export { endState } from './end-state.ts';
export * from './compare.ts';
export * from './machine-file.ts';
export * from './recordings.ts';
export * from './recording-exceptions.ts';
export * from './replay.ts';
export * from './replay-index.ts';
export * from './topology.ts';
export * from './script/ops.ts';
export * from './script/parse.ts';
export * from './script/checked.ts';
export * from './script/run.ts';
export { Session } from './script/session.ts';
export * from './userspace/low-power.ts';
export * from './userspace/user.ts';
export * from './userspace/vfio-device.ts';
