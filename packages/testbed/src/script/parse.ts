// SPDX-License-Identifier: GPL-2.0-only
import { InputError, nearest } from '@vfio-lab/sim';
import { IRQS, parseFlags, parseHex, parseInteger, REGIONS } from './language.ts';
import { OPS, type ArgType, type OpSpec } from './ops.ts';

/** One operation of a script: its line number, its text, the table entry, and its arguments, checked. */
export interface ScriptOp {
  n: number;
  op: string;
  spec: OpSpec;
  args: Args;
  /** Set for an operation started by `bg`. */
  bg?: string;
}

/** Arguments by name. Numbers that C holds in 64 bits are bigint; `fd` arguments stay names until the run. */
export type Args = Readonly<
  Record<string, string | number | bigint | boolean | Uint8Array | readonly string[] | undefined>
>;

export interface Script {
  file: string;
  ops: ScriptOp[];
}

/**
 * Read a script (see the language in the README of the testbed). Every operation and argument is checked before
 * anything runs. Throws InputError with file and line.
 *
 * @param table the operations there are
 */
export function parseScript(text: string, file: string, table: ReadonlyMap<string, OpSpec> = OPS): Script {
  const ops: ScriptOp[] = [];
  for (const [i, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const where = `${file}:${i + 1}`;
    const tokens = tokenize(line, where);
    let bg: string | undefined;
    let op = line;
    if (tokens[0].text === 'bg') {
      if (tokens.length < 3)
        throw new InputError('bg needs a tag and an operation', where, 'write bg TAG OP...');
      bg = tokens[1].text;
      op = line.slice(tokens[2].at);
      tokens.splice(0, 2);
    }
    const spec = table.get(tokens[0].text);
    if (spec === undefined)
      throw new InputError(`unknown operation "${tokens[0].text}"`, where, suggestion(tokens[0].text, table));
    ops.push({
      n: i + 1,
      op,
      spec,
      args: parseArgs(
        spec,
        tokens.slice(1).map((t) => t.text),
        line,
        where,
      ),
      ...(bg !== undefined && { bg }),
    });
  }
  return { file, ops };
}

const MOST_BYTES = 1n << 28n;
const MOST_MS = 86_400_000n;

interface Token {
  text: string;
  at: number;
}

function tokenize(line: string, where: string): Token[] {
  const tokens: Token[] = [];
  for (let i = 0; i < line.length;) {
    if (line[i] === ' ' || line[i] === '\t') {
      i++;
      continue;
    }
    const at = i;
    let text = '';
    while (i < line.length && line[i] !== ' ' && line[i] !== '\t') {
      if (line[i] === '"') {
        const end = line.indexOf('"', i + 1);
        if (end < 0) throw new InputError('a quote is not closed', where, 'end the token with "');
        text += line.slice(i + 1, end);
        i = end + 1;
      } else {
        text += line[i++];
      }
    }
    tokens.push({ text, at });
  }
  return tokens;
}

function parseArgs(spec: OpSpec, words: string[], line: string, where: string): Args {
  const args: Record<string, string | number | bigint | boolean | Uint8Array | readonly string[]> = {};
  if (spec.rest !== undefined) {
    args[spec.rest] = line.slice(spec.name.length).trim();
    return args;
  }
  const positional: string[] = [];
  for (const word of words) {
    const m = /^([a-z_0-9]+)[=:](.*)$/s.exec(word);
    const option = m === null ? undefined : spec.options?.[m[1]];
    if (m !== null && option !== undefined) args[m[1]] = parseArg(option, m[2], `${m[1]}:`, spec, where);
    else if (spec.options?.[word] === 'word') args[word] = true;
    else positional.push(word);
  }
  for (const [i, name] of Object.keys(spec.args).entries()) {
    const optional = name.endsWith('?');
    const key = optional ? name.slice(0, -1) : name;
    if (i < positional.length) args[key] = parseArg(spec.args[name], positional[i], key, spec, where);
    else if (!optional) throw new InputError(`${spec.name} lacks ${key}`, where, `write ${usage(spec)}`);
  }
  const most = Object.keys(spec.args).length;
  if (positional.length > most) {
    throw new InputError(`${spec.name} does not take "${positional[most]}"`, where, `write ${usage(spec)}`);
  }
  return args;
}

function parseArg(
  type: ArgType,
  text: string,
  name: string,
  spec: OpSpec,
  where: string,
): string | number | bigint | Uint8Array | readonly string[] | boolean {
  const bad = (wanted: string): InputError =>
    new InputError(`${spec.name}: ${name} "${text}" is not ${wanted}`, where, `write ${usage(spec)}`);
  switch (type) {
    case 'name':
    case 'text':
    case 'word':
      return text;
    case 'list':
      return text === '' ? [] : text.split(',');
    case 'bdf':
      if (!/^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/.test(text))
        throw bad('a PCI address (dddd:bb:dd.f)');
      return text;
    case 'num': {
      const v = parseInteger(text);
      if (v === null) throw bad('a number');
      return Number(v);
    }
    case 'length': {
      const v = parseInteger(text);
      if (v === null || v < 0n || v > MOST_BYTES) throw bad('a number of bytes (at most 256 MiB)');
      return Number(v);
    }
    case 'ms': {
      const v = parseInteger(text);
      if (v === null || v < 0n || v > MOST_MS) throw bad('a time in ms (at most a day)');
      return Number(v);
    }
    case 'u64': {
      const v = parseInteger(text);
      if (v === null) throw bad('a number');
      return BigInt.asUintN(64, v);
    }
    case 'flags': {
      const v = parseFlags(text);
      if (v === null) throw bad('flags (words joined by |, or a number)');
      return v;
    }
    case 'region':
    case 'irq': {
      const table = type === 'region' ? REGIONS : IRQS;
      if (text in table) return table[text];
      const v = parseInteger(text);
      if (v === null) throw bad(`one of ${Object.keys(table).join(', ')}, or a number`);
      return Number(v);
    }
    case 'hex': {
      const v = parseHex(text);
      if (v === null) throw bad('an even number of hex digits');
      return v;
    }
  }
}

/** How an operation is written. */
export function usage(spec: OpSpec): string {
  const args =
    spec.rest !== undefined
      ? [`${spec.rest.toUpperCase()}...`]
      : Object.keys(spec.args).map((a) =>
          a.endsWith('?') ? `[${a.slice(0, -1).toUpperCase()}]` : a.toUpperCase(),
        );
  const options = Object.entries(spec.options ?? {}).map(([k, t]) =>
    t === 'word' ? `[${k}]` : `[${k}${spec.colon?.includes(k) === true ? ':' : '='}...]`,
  );
  return [spec.name, ...args, ...options].join(' ');
}

function suggestion(word: string, table: ReadonlyMap<string, OpSpec>): string {
  const name = nearest(word, table.keys());
  return name === null ? 'see `vfio-lab run --help` for the operations' : `did you mean ${name}?`;
}
