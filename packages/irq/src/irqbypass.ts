// SPDX-License-Identifier: GPL-2.0-only
// virt/lib/irqbypass.c, v5.19
import { machine } from '@vfio-lab/sim';
import type { int } from '@vfio-lab/sim';
import { might_sleep, mutex, mutex_lock, mutex_unlock } from '@vfio-lab/locking';
import { EBUSY, EINVAL, WARN } from '@vfio-lab/kernel';

type maybe<T> = T | Promise<T>;

/** struct irq_bypass_producer: an interrupt that could go straight to a guest. */
export class irq_bypass_producer {
  /** Meets the consumer of the same token; null: not registered. */
  token: unknown = null;
  irq: int = 0;
  add_consumer: ((prod: irq_bypass_producer, cons: irq_bypass_consumer) => maybe<int>) | null = null;
  del_consumer: ((prod: irq_bypass_producer, cons: irq_bypass_consumer) => maybe<void>) | null = null;
  stop: ((prod: irq_bypass_producer) => maybe<void>) | null = null;
  start: ((prod: irq_bypass_producer) => maybe<void>) | null = null;
}

/** struct irq_bypass_consumer: a hypervisor's end of it. */
export class irq_bypass_consumer {
  token: unknown = null;
  add_producer: ((cons: irq_bypass_consumer, prod: irq_bypass_producer) => maybe<int>) | null = null;
  del_producer: ((cons: irq_bypass_consumer, prod: irq_bypass_producer) => maybe<void>) | null = null;
  stop: ((cons: irq_bypass_consumer) => maybe<void>) | null = null;
  start: ((cons: irq_bypass_consumer) => maybe<void>) | null = null;
}

/** File-scope data of irqbypass.c, one a machine. */
class bypass_state {
  readonly producers: irq_bypass_producer[] = [];
  readonly consumers: irq_bypass_consumer[] = [];
  readonly lock = new mutex('lock');
}

function state(): bypass_state {
  return machine.scope(bypass_state, () => new bypass_state());
}

/** C: virt/lib/irqbypass.c __connect() */
async function __connect(prod: irq_bypass_producer, cons: irq_bypass_consumer): Promise<int> {
  let ret: int = 0;
  await prod.stop?.(prod);
  await cons.stop?.(cons);
  if (prod.add_consumer) ret = await prod.add_consumer(prod, cons);
  if (ret === 0 && cons.add_producer) {
    ret = await cons.add_producer(cons, prod);
    if (ret !== 0) await prod.del_consumer?.(prod, cons);
  }
  await cons.start?.(cons);
  await prod.start?.(prod);
  return ret;
}

/** C: virt/lib/irqbypass.c __disconnect() */
async function __disconnect(prod: irq_bypass_producer, cons: irq_bypass_consumer): Promise<void> {
  await prod.stop?.(prod);
  await cons.stop?.(cons);
  await cons.del_producer?.(cons, prod);
  await prod.del_consumer?.(prod, cons);
  await cons.start?.(cons);
  await prod.start?.(prod);
}

/**
 * Publish a producer and connect it to the consumer of its token. -EINVAL without a token, -EBUSY when the token has
 * a producer, else what the connection says. C: virt/lib/irqbypass.c irq_bypass_register_producer()
 */
export async function irq_bypass_register_producer(producer: irq_bypass_producer): Promise<int> {
  if (producer.token === null) return -EINVAL;
  might_sleep('irq_bypass_register_producer');
  const s = state();
  let ret: int = 0;
  await mutex_lock(s.lock);
  if (s.producers.some((tmp) => tmp.token === producer.token)) {
    ret = -EBUSY;
  } else {
    const consumer = s.consumers.find((c) => c.token === producer.token);
    if (consumer !== undefined) ret = await __connect(producer, consumer);
    if (ret === 0) s.producers.unshift(producer);
  }
  await mutex_unlock(s.lock);
  return ret;
}

/** Withdraw it; nothing happens for a null or unknown token. C: virt/lib/irqbypass.c irq_bypass_unregister_producer() */
export async function irq_bypass_unregister_producer(producer: irq_bypass_producer): Promise<void> {
  if (producer.token === null) return;
  might_sleep('irq_bypass_unregister_producer');
  const s = state();
  await mutex_lock(s.lock);
  if (s.producers.some((tmp) => tmp.token === producer.token)) {
    const consumer = s.consumers.find((c) => c.token === producer.token);
    if (consumer !== undefined) await __disconnect(producer, consumer);
    const at = s.producers.indexOf(producer);
    // The kernel would unlink a node that is in no list.
    if (!WARN(at < 0, 'irq bypass: unregistering a producer whose token belongs to another\n'))
      s.producers.splice(at, 1);
  }
  await mutex_unlock(s.lock);
}

/**
 * The other end: -EINVAL without token or callbacks, -EBUSY when the token has a consumer.
 * C: virt/lib/irqbypass.c irq_bypass_register_consumer()
 */
export async function irq_bypass_register_consumer(consumer: irq_bypass_consumer): Promise<int> {
  if (consumer.token === null || !consumer.add_producer || !consumer.del_producer) return -EINVAL;
  might_sleep('irq_bypass_register_consumer');
  const s = state();
  let ret: int = 0;
  await mutex_lock(s.lock);
  if (s.consumers.some((tmp) => tmp.token === consumer.token || tmp === consumer)) {
    ret = -EBUSY;
  } else {
    const producer = s.producers.find((p) => p.token === consumer.token);
    if (producer !== undefined) ret = await __connect(producer, consumer);
    if (ret === 0) s.consumers.unshift(consumer);
  }
  await mutex_unlock(s.lock);
  return ret;
}

/** C: virt/lib/irqbypass.c irq_bypass_unregister_consumer() */
export async function irq_bypass_unregister_consumer(consumer: irq_bypass_consumer): Promise<void> {
  if (consumer.token === null) return;
  might_sleep('irq_bypass_unregister_consumer');
  const s = state();
  await mutex_lock(s.lock);
  const at = s.consumers.indexOf(consumer);
  if (at >= 0) {
    const producer = s.producers.find((p) => p.token === consumer.token);
    if (producer !== undefined) await __disconnect(producer, consumer);
    s.consumers.splice(at, 1);
  }
  await mutex_unlock(s.lock);
}
