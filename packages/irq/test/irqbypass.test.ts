// SPDX-License-Identifier: GPL-2.0-only
import { EBUSY, EINVAL, EIO } from '@vfio-lab/kernel';
import { describe, expect, it } from 'vitest';
import {
  irq_bypass_consumer,
  irq_bypass_producer,
  irq_bypass_register_consumer,
  irq_bypass_register_producer,
  irq_bypass_unregister_consumer,
  irq_bypass_unregister_producer,
} from '../src/index.ts';
import { boot, clean } from './util.ts';

function producer(token: unknown, log: string[] = []): irq_bypass_producer {
  const p = new irq_bypass_producer();
  p.token = token;
  p.add_consumer = () => (log.push('add_consumer'), 0);
  p.del_consumer = () => void log.push('del_consumer');
  p.stop = () => void log.push('stop prod');
  p.start = () => void log.push('start prod');
  return p;
}

function consumer(token: unknown, log: string[] = [], ret = 0): irq_bypass_consumer {
  const c = new irq_bypass_consumer();
  c.token = token;
  c.add_producer = () => (log.push('add_producer'), ret);
  c.del_producer = () => void log.push('del_producer');
  c.stop = () => void log.push('stop cons');
  c.start = () => void log.push('start cons');
  return c;
}

const CONNECT = ['stop prod', 'stop cons', 'add_consumer', 'add_producer', 'start cons', 'start prod'];
const DISCONNECT = ['stop prod', 'stop cons', 'del_producer', 'del_consumer', 'start cons', 'start prod'];

describe('irq bypass', () => {
  it('connects a producer to the consumer of its token, and back', async () => {
    const log: string[] = [];
    await clean(async () => {
      const token = {};
      const p = producer(token, log);
      const c = consumer(token, log);
      expect(await irq_bypass_register_consumer(c)).toBe(0);
      expect(await irq_bypass_register_producer(p)).toBe(0);
      expect(log.splice(0)).toEqual(CONNECT);
      await irq_bypass_unregister_producer(p);
      expect(log.splice(0)).toEqual(DISCONNECT);
      expect(await irq_bypass_register_producer(p)).toBe(0);
      log.length = 0;
      await irq_bypass_unregister_consumer(c);
      expect(log.splice(0)).toEqual(DISCONNECT);
      expect(await irq_bypass_register_consumer(c)).toBe(0);
      expect(log.splice(0)).toEqual(CONNECT);
    });
  });

  it('one producer and one consumer a token', async () => {
    await clean(async () => {
      const token = {};
      expect(await irq_bypass_register_producer(producer(token))).toBe(0);
      expect(await irq_bypass_register_producer(producer(token))).toBe(-EBUSY);
      expect(await irq_bypass_register_producer(producer({}))).toBe(0);
      expect(await irq_bypass_register_consumer(consumer(token))).toBe(0);
      expect(await irq_bypass_register_consumer(consumer(token))).toBe(-EBUSY);
    });
  });

  it('needs a token, a consumer also its callbacks', async () => {
    await clean(async () => {
      expect(await irq_bypass_register_producer(producer(null))).toBe(-EINVAL);
      expect(await irq_bypass_register_consumer(consumer(null))).toBe(-EINVAL);
      expect(await irq_bypass_register_consumer(Object.assign(consumer({}), { add_producer: null }))).toBe(
        -EINVAL,
      );
      expect(await irq_bypass_register_consumer(Object.assign(consumer({}), { del_producer: null }))).toBe(
        -EINVAL,
      );
      await irq_bypass_unregister_producer(producer(null));
      await irq_bypass_unregister_consumer(consumer(null));
      await irq_bypass_unregister_producer(producer({}));
      await irq_bypass_unregister_consumer(consumer({}));
    });
  });

  it('a connection that fails fails the registration', async () => {
    const log: string[] = [];
    await clean(async () => {
      const token = {};
      const c = consumer(token, log, -EIO);
      expect(await irq_bypass_register_consumer(c)).toBe(0);
      const p = producer(token, log);
      expect(await irq_bypass_register_producer(p)).toBe(-EIO);
      expect(log.splice(0)).toEqual([
        'stop prod',
        'stop cons',
        'add_consumer',
        'add_producer',
        'del_consumer',
        'start cons',
        'start prod',
      ]);
      p.add_consumer = () => -EINVAL;
      expect(await irq_bypass_register_producer(p)).toBe(-EINVAL);
      expect(log.splice(0)).toEqual(['stop prod', 'stop cons', 'start cons', 'start prod']);
      await irq_bypass_unregister_consumer(c);
      expect(await irq_bypass_register_producer(p)).toBe(0);
      expect(await irq_bypass_register_consumer(c)).toBe(-EINVAL);
    });
  });

  it('works with the optional callbacks left out', async () => {
    await clean(async () => {
      const p = new irq_bypass_producer();
      const c = new irq_bypass_consumer();
      p.token = c.token = {};
      c.add_producer = () => 0;
      c.del_producer = () => {};
      expect(await irq_bypass_register_producer(p)).toBe(0);
      expect(await irq_bypass_register_consumer(c)).toBe(0);
      await irq_bypass_unregister_producer(p);
      await irq_bypass_unregister_consumer(c);
    });
  });

  it('withdrawing a producer whose token belongs to another is a bug', async () => {
    const m = await boot(async () => {
      const token = {};
      await irq_bypass_register_producer(producer(token));
      await irq_bypass_unregister_producer(producer(token));
    });
    expect(m.findings.map((f) => f.kind)).toEqual(['WARN_ON']);
  });
});
