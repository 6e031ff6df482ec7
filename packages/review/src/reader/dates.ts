// SPDX-License-Identifier: GPL-2.0-only
// Dates as mails, patchwork and attribution lines write them. No clock is read here.

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const SECOND = 1000;
const MINUTE = 60 * SECOND;

/** A point in time as somebody wrote it down. */
export interface WrittenDate {
  /** The clock's reading, in milliseconds as if it were UTC. */
  local: number;
  /** Minutes east of UTC; null when not written. */
  offset: number | null;
  /** What the last digit written stands for, in milliseconds. */
  precision: number;
}

function month(name: string): number {
  return MONTHS.indexOf(name.slice(0, 3).toLowerCase());
}

function at(
  y: number,
  m: number,
  d: number,
  time: RegExpExecArray | null,
  offset: number | null,
): WrittenDate | null {
  if (m < 0 || m > 11 || d < 1 || d > 31) return null;
  const year = y < 100 ? 2000 + y : y;
  if (!time) return { local: Date.UTC(year, m, d), offset, precision: 24 * 60 * MINUTE };
  const g = time.groups ?? {};
  let hour = Number(g['h']);
  if (g['half']) hour = (hour % 12) + (/^p/i.test(g['half']) ? 12 : 0);
  if (hour > 23) return null;
  const seconds = g['s'] === undefined ? 0 : Number(g['s']);
  return {
    local: Date.UTC(year, m, d, hour, Number(g['m']), seconds),
    offset,
    precision: g['s'] === undefined ? MINUTE : SECOND,
  };
}

const TIME = /(?<h>\d{1,2}):(?<m>\d\d)(?::(?<s>\d\d))?\s*(?<half>[ap]\.?m\.?)?/i;

function zone(text: string): number | null {
  const numeric = /(?:^|[\s(:\dMm])(?:GMT|UTC)?([+-])(\d\d):?(\d\d)\b/.exec(text);
  if (numeric) return (numeric[1] === '-' ? -1 : 1) * (Number(numeric[2]) * 60 + Number(numeric[3]));
  return /\b(?:UTC|GMT|Z)\b/.test(text) ? 0 : null;
}

/**
 * Every way to read the date in a text: `Fri, 1 Jul 2022 16:38:09 +0530`, `Jul 01, 2022 at 04:38:09PM +0530`,
 * `7/6/2022 9:09 PM` (month or day first: both), `06.07.22 um 21:09`, `2022-07-06 21:09`. Empty: no date in it.
 */
export function writtenDates(text: string): WrittenDate[] {
  const iso = /\b(\d{4})[-/](\d{1,2})[-/](\d{1,2})\b/.exec(text);
  const dayFirst = /\b(\d{1,2})\.? ([A-Za-zéû]{3,9})\.?,? (\d{4})\b/.exec(text);
  const monthFirst = /\b([A-Za-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})\b/.exec(text);
  const numbers = /\b(\d{1,2})([/.])(\d{1,2})\2(\d{4}|\d\d)\b/.exec(text);
  const found: (WrittenDate | null)[] = [];
  const rest = (match: RegExpExecArray): { time: RegExpExecArray | null; offset: number | null } => {
    const tail = text.slice(match.index + match[0].length);
    const time = TIME.exec(tail);
    return { time, offset: zone(time ? tail.slice(time.index + time[0].trimEnd().length - 1) : tail) };
  };
  if (iso) {
    const { time, offset } = rest(iso);
    found.push(at(Number(iso[1]), Number(iso[2]) - 1, Number(iso[3]), time, offset));
  } else if (dayFirst && month(dayFirst[2] ?? '') >= 0) {
    const { time, offset } = rest(dayFirst);
    found.push(at(Number(dayFirst[3]), month(dayFirst[2] ?? ''), Number(dayFirst[1]), time, offset));
  } else if (monthFirst && month(monthFirst[1] ?? '') >= 0) {
    const { time, offset } = rest(monthFirst);
    found.push(at(Number(monthFirst[3]), month(monthFirst[1] ?? ''), Number(monthFirst[2]), time, offset));
  } else if (numbers) {
    const { time, offset } = rest(numbers);
    const [a, b, y] = [Number(numbers[1]), Number(numbers[3]), Number(numbers[4])];
    if (numbers[2] === '/') found.push(at(y, a - 1, b, time, offset));
    if (a !== b || numbers[2] === '.') found.push(at(y, b - 1, a, time, offset));
  }
  return found.filter((date) => date !== null);
}

/** Milliseconds since 1970 of a date with a zone; null without one. */
export function utc(date: WrittenDate): number | null {
  return date.offset === null ? null : date.local - date.offset * MINUTE;
}

/**
 * Whether a written date can be this moment. Without a zone any offset from UTC-12 to UTC+14 in steps of a
 * quarter of an hour will do.
 * @param precision of `moment`, in milliseconds
 */
export function canBe(date: WrittenDate, moment: number, precision: number): boolean {
  const step = Math.max(precision, date.precision);
  const floor = (time: number): number => Math.floor(time / step) * step;
  const fixed = utc(date);
  if (fixed !== null) return floor(fixed) === floor(moment);
  if (date.precision > MINUTE) return Math.abs(date.local - moment) < 2 * date.precision;
  const apart = floor(date.local) - floor(moment);
  return apart % (15 * MINUTE) === 0 && apart >= -12 * 60 * MINUTE && apart <= 14 * 60 * MINUTE;
}

/** Patchwork's `July 6, 2022, 3:39 p.m. UTC` (also `noon`, `midnight`, `3 p.m.`); null when it is none. */
export function patchworkDate(text: string): number | null {
  const match =
    /^([A-Z][a-z]{2,8})\.? (\d{1,2}), (\d{4}), (?:(noon|midnight)|(\d{1,2})(?::(\d\d))? ([ap])\.m\.)(?: UTC)?$/.exec(
      text.trim(),
    );
  if (!match || month(match[1] ?? '') < 0) return null;
  let hour = (Number(match[5] ?? 0) % 12) + (match[7] === 'p' ? 12 : 0);
  if (match[4]) hour = match[4] === 'noon' ? 12 : 0;
  return Date.UTC(Number(match[3]), month(match[1] ?? ''), Number(match[2]), hour, Number(match[6] ?? 0));
}

/**
 * The moment that git send-email put into a message id (`20220701110814.7310-1-name@host`), and the position of
 * the mail in its run; null for other ids.
 */
export function sendEmailId(
  id: string,
): { moment: number; index: number; withIndex(n: number): string } | null {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\.\d+-)(\d+)(-.*)$/.exec(id);
  if (!match) return null;
  const [y, mo, d, h, mi, s] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const head = id.slice(0, 14) + (match[7] ?? '');
  return {
    moment: Date.UTC(y, mo - 1, d, h, mi, s),
    index: Number(match[8]),
    withIndex: (n) => `${head}${n}${match[9] ?? ''}`,
  };
}

/** ISO 8601 without milliseconds. */
export function isoDate(moment: number): string {
  return new Date(moment).toISOString().replace('.000Z', 'Z');
}
