// SPDX-License-Identifier: GPL-2.0-only

/**
 * A fault in what the user gave us: what is wrong, where, and how to mend it, in one line. Programs print the message
 * and exit with code 2; anything else that is thrown is a bug of ours.
 */
export class InputError extends Error {
  readonly what: string;
  readonly where: string;
  readonly mend: string;

  constructor(what: string, where: string, mend: string) {
    super(`${what}: ${where}: ${mend}`);
    this.name = 'InputError';
    this.what = what;
    this.where = where;
    this.mend = mend;
  }
}
