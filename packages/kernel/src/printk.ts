// SPDX-License-Identifier: GPL-2.0-only
/* The kernel log, and the macros that complain: include/linux/printk.h, dev_printk.h, asm-generic/bug.h. */
import { current, machine, now, Oops, report, type Task } from '@vfio-lab/sim';
import { jiffies } from './time.ts';

export const KERN_ERR = 3;
export const KERN_WARNING = 4;
export const KERN_NOTICE = 5;
export const KERN_INFO = 6;
export const KERN_DEBUG = 7;

const RATELIMIT_INTERVAL_S = 5;
const RATELIMIT_BURST = 10;

/** The part of a device that a log line shows. */
export interface log_device {
  readonly name: string;
  readonly driver: { readonly name: string } | null;
  readonly bus: { readonly name: string } | null;
}

interface Bucket {
  begin: number;
  printed: number;
}

class Printk {
  /** Log debug messages too (dynamic debug all on). */
  debug = false;
  readonly buckets = new Map<string, Bucket>();
  readonly once = new Set<string>();
}

function state(): Printk {
  return machine.scope(Printk, () => new Printk());
}

/** Turn dynamic debug on or off for everything. */
export function set_dynamic_debug(on: boolean): void {
  state().debug = on;
}

/**
 * Add a line to the machine's log. `level` 0..7; debug lines only while dynamic debug is on.
 * C: kernel/printk/printk.c _printk()
 */
export function printk(level: number, text: string): void {
  if (level === KERN_DEBUG && !state().debug) return;
  machine.log.push(`<${level}>${text.replace(/\n+$/, '')}`);
}

export function pr_err(text: string): void {
  printk(KERN_ERR, text);
}
export function pr_warn(text: string): void {
  printk(KERN_WARNING, text);
}
export function pr_notice(text: string): void {
  printk(KERN_NOTICE, text);
}
export function pr_info(text: string): void {
  printk(KERN_INFO, text);
}
export function pr_debug(text: string): void {
  printk(KERN_DEBUG, text);
}

function dev_prefix(dev: log_device): string {
  return `${dev.driver?.name ?? dev.bus?.name ?? ''} ${dev.name}: `;
}

/** C: drivers/base/core.c _dev_err() and the others */
export function dev_printk(level: number, dev: log_device, text: string): void {
  if (level === KERN_DEBUG && !state().debug) return;
  printk(level, dev_prefix(dev) + text);
}

export function dev_err(dev: log_device, text: string): void {
  dev_printk(KERN_ERR, dev, text);
}
export function dev_warn(dev: log_device, text: string): void {
  dev_printk(KERN_WARNING, dev, text);
}
export function dev_notice(dev: log_device, text: string): void {
  dev_printk(KERN_NOTICE, dev, text);
}
export function dev_info(dev: log_device, text: string): void {
  dev_printk(KERN_INFO, dev, text);
}
export function dev_dbg(dev: log_device, text: string): void {
  dev_printk(KERN_DEBUG, dev, text);
}

/** Whatever has a struct device in `dev`, such as a pci_dev. */
export interface has_dev {
  readonly dev: log_device;
}

export function pci_err(pdev: has_dev, text: string): void {
  dev_printk(KERN_ERR, pdev.dev, text);
}
export function pci_warn(pdev: has_dev, text: string): void {
  dev_printk(KERN_WARNING, pdev.dev, text);
}
export function pci_notice(pdev: has_dev, text: string): void {
  dev_printk(KERN_NOTICE, pdev.dev, text);
}
export function pci_info(pdev: has_dev, text: string): void {
  dev_printk(KERN_INFO, pdev.dev, text);
}
export function pci_dbg(pdev: has_dev, text: string): void {
  dev_printk(KERN_DEBUG, pdev.dev, text);
}

/**
 * At most 10 messages in 5 s. The kernel counts by call site; here the text, digits left out, stands for the site.
 * C: lib/ratelimit.c ___ratelimit()
 */
export function ratelimit(text: string): boolean {
  const key = text.replace(/[0-9a-fA-Fx]+/g, '#');
  const buckets = state().buckets;
  let bucket = buckets.get(key);
  if (bucket === undefined) buckets.set(key, (bucket = { begin: now(), printed: 0 }));
  if (now() - bucket.begin > RATELIMIT_INTERVAL_S * 1e9) {
    bucket.begin = now();
    bucket.printed = 0;
  }
  return bucket.printed++ < RATELIMIT_BURST;
}

export function pr_warn_ratelimited(text: string): void {
  if (ratelimit(text)) pr_warn(text);
}
export function pr_info_ratelimited(text: string): void {
  if (ratelimit(text)) pr_info(text);
}
export function dev_warn_ratelimited(dev: log_device, text: string): void {
  if (ratelimit(text)) dev_warn(dev, text);
}
export function dev_info_ratelimited(dev: log_device, text: string): void {
  if (ratelimit(text)) dev_info(dev, text);
}
export function pci_warn_ratelimited(pdev: has_dev, text: string): void {
  if (ratelimit(text)) pci_warn(pdev, text);
}
export function pci_notice_ratelimited(pdev: has_dev, text: string): void {
  if (ratelimit(text)) pci_notice(pdev, text);
}
export function pci_info_ratelimited(pdev: has_dev, text: string): void {
  if (ratelimit(text)) pci_info(pdev, text);
}

/**
 * Where the caller of a macro stands, as `file.ts:line`. Only for the rare case that there is something to
 * say.
 */
function call_site(): string {
  const lines = (new Error().stack ?? '').split('\n');
  for (const line of lines.slice(1)) {
    const m = /([^/\\()\s]+\.[cm]?[jt]s):(\d+)(?::\d+)?\)?$/.exec(line);
    if (m !== null && m[1] !== 'printk.ts') return `${m[1]}:${m[2]}`;
  }
  return 'unknown';
}

function warn(site: string, text: string): void {
  const t = current as Task | undefined;
  const fn = t?.site ?? '';
  const where = fn === '' ? site : `${site} ${fn}()`;
  printk(
    KERN_WARNING,
    `WARNING: CPU: ${t?.cpu.id ?? 0} PID: ${t?.pid ?? 0} at ${where}${text === '' ? '' : ` ${text}`}`,
  );
  report('WARN_ON', text === '' ? `WARN_ON at ${where}` : `${text} (WARN at ${where})`, {
    site,
    jiffies: jiffies(),
  });
}

/**
 * Complain and go on when the condition is true.
 *
 * @param text what to say besides the place
 * @returns the condition
 * C: include/asm-generic/bug.h WARN_ON()
 */
export function WARN_ON(cond: unknown, text = ''): boolean {
  if (!cond) return false;
  warn(call_site(), text);
  return true;
}

/** As WARN_ON, but the first time only. C: WARN_ON_ONCE() */
export function WARN_ON_ONCE(cond: unknown, text = ''): boolean {
  if (!cond) return false;
  const site = call_site();
  const once = state().once;
  if (!once.has(site)) {
    once.add(site);
    warn(site, text);
  }
  return true;
}

/** C: include/asm-generic/bug.h WARN() */
export function WARN(cond: unknown, text: string): boolean {
  return WARN_ON(cond, text);
}

/** C: include/asm-generic/bug.h WARN_ONCE() */
export function WARN_ONCE(cond: unknown, text: string): boolean {
  return WARN_ON_ONCE(cond, text);
}

/** A backtrace with the device's name. C: include/linux/dev_printk.h dev_WARN() */
export function dev_WARN(dev: log_device, text: string): boolean {
  return WARN_ON(true, dev_prefix(dev) + text);
}

/** C: include/linux/dev_printk.h dev_WARN_ONCE() */
export function dev_WARN_ONCE(dev: log_device, cond: unknown, text: string): boolean {
  return WARN_ON_ONCE(cond, dev_prefix(dev) + text);
}

/** The task dies here when the condition is true. C: include/asm-generic/bug.h BUG_ON() */
export function BUG_ON(cond: unknown, text = ''): void {
  if (cond) throw new Oops(`kernel BUG at ${call_site()}${text === '' ? '' : `: ${text}`}`);
}

/** @returns never: the task dies. C: BUG() */
export function BUG(text = ''): never {
  throw new Oops(`kernel BUG at ${call_site()}${text === '' ? '' : `: ${text}`}`);
}

export const TAINT_USER = 6;
export const LOCKDEP_STILL_OK = true;

class Taint {
  mask = 0;
}

/** Mark the kernel tainted. C: kernel/panic.c add_taint() */
export function add_taint(flag: number, lockdep_ok: boolean): void {
  machine.scope(Taint, () => new Taint()).mask |= 1 << flag;
}

/** What add_taint() has gathered: /proc/sys/kernel/tainted. */
export function get_taint(): number {
  return machine.scope(Taint, () => new Taint()).mask;
}
