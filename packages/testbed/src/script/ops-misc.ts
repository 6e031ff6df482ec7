// SPDX-License-Identifier: GPL-2.0-only
// Files, time and background operations.
import { sleep_ns, wait_until_timeout } from '@vfio-lab/sim';
import type { OpSpec } from './ops.ts';
import { rcFields } from './session.ts';

const NS_PER_MS = 1_000_000;
const JOIN_MS = 10_000;

export const miscOps: OpSpec[] = [
  {
    name: 'close',
    args: { X: 'name' },
    async run(s, a) {
      const name = a.X as string;
      const ret = await s.user.close(s.fd(name));
      if (s.handles.has(name)) s.handles.set(name, -1);
      return rcFields(ret);
    },
  },
  {
    name: 'dup',
    args: { X: 'name', Y: 'name' },
    async run(s, a) {
      const ret = await s.user.dup(s.fd(a.X as string));
      await s.bind(a.Y as string, ret);
      return ret < 0 ? rcFields(ret) : { rc: 0 };
    },
  },
  {
    name: 'sleep',
    args: { MS: 'ms' },
    async run(_s, a) {
      await sleep_ns((a.MS as number) * NS_PER_MS);
      return {};
    },
  },
  { name: 'note', args: {}, rest: 'text', run: () => Promise.resolve({ note: true }) },
  { name: 'irqs', args: {}, run: () => Promise.resolve({ value: '' }) },
  { name: 'sh', args: {}, rest: 'command', run: () => Promise.resolve({ rc: 0, out: '' }) },
  {
    name: 'bgstat',
    args: { TAG: 'name' },
    run: (s, a) => Promise.resolve({ done: s.background.get(a.TAG as string)?.done ?? true }),
  },
  {
    name: 'join',
    args: { TAG: 'name', 'ms?': 'ms' },
    async run(s, a) {
      const task = s.background.get(a.TAG as string);
      if (task === undefined) return { done: true };
      return {
        done: await wait_until_timeout(
          task,
          () => task.done,
          ((a.ms as number | undefined) ?? JOIN_MS) * NS_PER_MS,
        ),
      };
    },
  },
];
