// SPDX-License-Identifier: GPL-2.0-only
import { current, sleep_ns } from '@vfio-lab/sim';
import { describe, expect, it } from 'vitest';
import * as k from '../src/index.ts';
import { kinds, run, run_clean } from './machine.ts';

const dev = { name: '0000:02:00.0', driver: { name: 'vfio-pci' }, bus: { name: 'pci' } };
const pdev = { dev };

describe('printk', () => {
  it('writes level, driver and device', async () => {
    const m = await run_clean(() => {
      k.pr_err('a\n');
      k.pr_warn('b');
      k.pr_notice('c');
      k.pr_info('d');
      k.pr_debug('not shown');
      k.dev_err(dev, 'e');
      k.dev_warn({ ...dev, driver: null }, 'f');
      k.dev_notice({ ...dev, driver: null, bus: null }, 'g');
      k.dev_info(dev, 'h');
      k.dev_dbg(dev, 'not shown');
      k.pci_err(pdev, 'i');
      k.pci_warn(pdev, 'j');
      k.pci_notice(pdev, 'k');
      k.pci_info(pdev, 'l');
      k.set_dynamic_debug(true);
      k.pci_dbg(pdev, 'm');
    });
    expect(m.log).toEqual([
      '<3>a',
      '<4>b',
      '<5>c',
      '<6>d',
      '<3>vfio-pci 0000:02:00.0: e',
      '<4>pci 0000:02:00.0: f',
      '<5> 0000:02:00.0: g',
      '<6>vfio-pci 0000:02:00.0: h',
      '<3>vfio-pci 0000:02:00.0: i',
      '<4>vfio-pci 0000:02:00.0: j',
      '<5>vfio-pci 0000:02:00.0: k',
      '<6>vfio-pci 0000:02:00.0: l',
      '<7>vfio-pci 0000:02:00.0: m',
    ]);
  });

  it('lets ten messages through in five seconds', async () => {
    const m = await run_clean(async () => {
      for (let i = 0; i < 12; i++) k.pci_info_ratelimited(pdev, `fd ${i}`);
      await sleep_ns(6e9);
      k.pci_info_ratelimited(pdev, 'fd 99');
      k.pci_warn_ratelimited(pdev, 'w');
      k.pci_notice_ratelimited(pdev, 'n');
      k.dev_info_ratelimited(dev, 'di');
      k.dev_warn_ratelimited(dev, 'dw');
      k.pr_warn_ratelimited('pw');
      k.pr_info_ratelimited('pi');
    });
    expect(m.log).toHaveLength(17);
    expect(m.log.filter((line) => line.includes('fd '))).toHaveLength(11);
  });
});

describe('WARN and BUG', () => {
  it('yields the condition, reports with the place, once where asked for', async () => {
    const m = await run(() => {
      expect(k.WARN_ON(0)).toBe(false);
      expect(k.WARN_ON(1)).toBe(true);
      current.fns.push('vfio_group_put');
      for (let i = 0; i < 3; i++) expect(k.WARN_ON_ONCE(true, 'text')).toBe(true);
      expect(k.WARN_ON_ONCE(false)).toBe(false);
      k.WARN(true, 'w');
      k.WARN_ONCE(true, 'wo');
      k.dev_WARN(dev, 'dw');
      k.dev_WARN_ONCE(dev, true, 'dwo');
      k.BUG_ON(false);
      k.BUG_ON(true, 'the end');
    });
    expect(kinds(m)).toEqual([...Array<string>(6).fill('WARN_ON'), 'BUG']);
    expect(m.findings[0].text).toMatch(/^WARN_ON at printk\.test\.ts:\d+$/);
    expect(m.findings[1].text).toMatch(/^text \(WARN at printk\.test\.ts:\d+ vfio_group_put\(\)\)$/);
    expect(m.findings[4].text).toContain('vfio-pci 0000:02:00.0: dw');
    expect(m.findings[6].text).toContain('the end');
    expect(m.log[0]).toContain('WARNING: CPU: 0');
  });

  it('BUG ends the task', async () => {
    const m = await run(() => {
      k.BUG();
    });
    expect(kinds(m)).toEqual(['BUG']);
  });

  it('keeps taints', () =>
    run_clean(() => {
      k.add_taint(k.TAINT_USER, k.LOCKDEP_STILL_OK);
      expect(k.get_taint()).toBe(64);
    }));
});

describe('time', () => {
  it('delays move the clock and let nobody in', async () => {
    const m = await run_clean(() => {
      k.msleep(10);
      k.usleep_range(100, 200);
      k.udelay(5);
      k.mdelay(1);
      k.ndelay(7);
      expect(k.ktime_get()).toBe(11_105_007);
      expect(k.jiffies()).toBe(2);
      expect([k.msecs_to_jiffies(10), k.usecs_to_jiffies(1), k.jiffies_to_msecs(3)]).toEqual([3, 1, 12]);
      expect([k.time_after(2, 1), k.time_before(2, 1)]).toEqual([true, false]);
    });
    expect(m.steps).toBe(0);
  });
});
