// SPDX-License-Identifier: GPL-2.0-only

/**
 * Input that cannot be read. The message is one line and says what is wrong, where, and how to mend it; a
 * command prints it as it stands and ends with status 2.
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
