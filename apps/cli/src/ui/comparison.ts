// SPDX-License-Identifier: GPL-2.0-only
// Two revisions side by side, as text.
import type {
  Cell,
  Comparison,
  FunctionPair,
  LedgerEntry,
  PatchPair,
  ScenarioPair,
  TextRow,
} from '@vfio-lab/review';
import { byCall } from '@vfio-lab/review';
import type { TraceEvent } from '@vfio-lab/sim';
import type { Colors, Io } from './io.ts';
import { colors, width } from './io.ts';
import { columns, cut, table, wrap } from './text.ts';

/** How much of it to print. */
export interface ComparisonTextOptions {
  /** Every line of every difference; else the first few. */
  full?: boolean;
}

/** Rows of a difference that are printed when not everything is asked for. */
const SOME = 24;

/** A comparison as lines, as wide as the terminal. */
export function renderComparison(c: Comparison, io: Io, opts: ComparisonTextOptions = {}): string[] {
  const view = new View(c, colors(io), width(io), opts.full === true);
  return [
    ...view.head(),
    ...view.patches(),
    ...view.functions(),
    ...view.behaviour(),
    ...view.interface(),
    ...view.ledger(),
    ...view.claims(),
    ...(c.stopped ? ['', colors(io).yellow('Stopped: only what was computed is shown.')] : []),
  ];
}

class View {
  readonly c: Comparison;
  readonly paint: Colors;
  readonly room: number;
  readonly full: boolean;

  constructor(c: Comparison, paint: Colors, room: number, full: boolean) {
    this.c = c;
    this.paint = paint;
    this.room = room;
    this.full = full;
  }

  head(): string[] {
    const { a, b, scenarios, functions, patches, ledger } = this.c;
    const differ = scenarios.filter((s) => s.state === 'differs').length;
    const order = scenarios.filter((s) => s.state === 'order').length;
    const texts = functions.filter((f) => f.state !== 'same').length;
    const open = ledger.filter((l) => l.state === 'open').length;
    const verdict = this.c.sameBehaviour
      ? this.paint.green(`no difference in behaviour: ${scenarios.length} scenarios, the same step by step`)
      : `${differ} of ${scenarios.length} scenarios differ for the user, ${order} more in how it is done`;
    return [
      this.paint.bold(`${a.name} and ${b.name}: ${b.title}`),
      ...[a, b].map(
        (s) =>
          `  ${s.name.padEnd(Math.max(a.name.length, b.name.length))}  ${s.date.slice(0, 10)}, ${s.patches} patches on ${s.base}${s.source === null ? '' : `; C from ${s.source}`}`,
      ),
      `  ${verdict}`,
      `  ${texts} of ${functions.length} functions and ${patches.filter((p) => p.state !== 'same').length} of ${patches.length} patches differ in their text`,
      ...(ledger.length > 0 ? [`  ${ledger.length} remarks on ${a.name}, ${open} of them open`] : []),
      ...(b.changelog.length > 0
        ? [
            `  What ${b.name} says of itself:`,
            ...b.changelog.flatMap((l) =>
              wrap(l, this.room - 6).map((t, i) => `${i === 0 ? '    - ' : '      '}${t}`),
            ),
          ]
        : []),
    ];
  }

  patches(): string[] {
    const { a, b, patches } = this.c;
    const lines = ['', this.paint.bold('Patches')];
    const mark = { same: '=', changed: '!', dropped: '<', merged: '<', new: '>' };
    for (const p of patches) {
      const from = p.a === null ? '-' : `${p.a.number}/${a.patches}`;
      const to = p.b === null ? '-' : `${p.b.number}/${b.patches}`;
      const subject = p.b?.subject ?? p.a?.subject ?? '';
      const sure = p.a !== null && p.b !== null ? `, ${Math.round(p.confidence * 100)} % sure` : '';
      const text = `  ${from.padStart(4)} ${mark[p.state]} ${to.padEnd(4)} ${subject}`;
      lines.push(
        this.#state(p.state)(cut(text, this.room)),
        `              ${this.paint.dim(`${p.state === 'merged' ? 'in the base by now' : p.state}${p.moved ? ', moved' : ''}${sure}`)}`,
      );
      if (p.a !== null && p.b !== null && p.a.subject !== p.b.subject)
        lines.push(`              ${this.paint.dim(cut(`was: ${p.a.subject}`, this.room - 14))}`);
      lines.push(
        ...this.#names('only before', p.a !== null && p.b !== null ? p.onlyA : []),
        ...this.#names('only now', p.a !== null && p.b !== null ? p.onlyB : []),
      );
      lines.push(...this.#change(p));
    }
    const { onlyA, onlyB } = this.c.fields;
    for (const f of onlyA) lines.push(`  ${this.paint.red(`- ${f}`)}`);
    for (const f of onlyB) lines.push(`  ${this.paint.green(`+ ${f}`)}`);
    return lines;
  }

  #names(what: string, names: readonly string[]): string[] {
    if (names.length === 0) return [];
    return wrap(`${what}: ${names.map((n) => `${n}()`).join(', ')}`, this.room - 14).map(
      (l) => `              ${l}`,
    );
  }

  /** The change of the change: outside +/- of the comparison, inside that of the patches. */
  #change(p: PatchPair): string[] {
    if (p.change.length === 0 || p.a === null || p.b === null) return [];
    const shown = near(p.change, 2);
    const rows = this.full ? shown : shown.slice(0, SOME);
    const more = shown.length - rows.length;
    return [
      `              ${this.paint.dim(`the change of the change, in ${p.language}:`)}`,
      ...rows.map((r) => this.#row(r, '        ')),
      ...(more > 0 ? [`        ${this.paint.dim(`... ${more} more lines (--full)`)}`] : []),
    ];
  }

  functions(): string[] {
    const { functions } = this.c;
    const lines = ['', this.paint.bold('Functions')];
    const same = functions.filter((f) => f.state === 'same');
    let file = '';
    for (const f of functions.filter((x) => x.state !== 'same')) {
      if (f.cfile !== file) lines.push(`  ${this.paint.dim((file = f.cfile))}`);
      lines.push(...this.#function(f));
    }
    if (same.length > 0)
      lines.push(
        ...this.#names(
          'the same',
          same.map((f) => f.name),
        ).map((l) => l.slice(12)),
      );
    return lines;
  }

  #function(f: FunctionPair): string[] {
    const { a, b } = this.c;
    const on = (name: string, list: number[]): string =>
      list.length === 0 ? `${name}: as in the base` : `${name}: ${list.join(', ')}`;
    const lines = [
      `    ${this.#state(f.state)(`${f.name}()`)}  ${this.paint.dim(`${f.state}; patches ${on(a.name, f.patchesA)}; ${on(b.name, f.patchesB)}`)}`,
    ];
    for (const n of f.comments) {
      for (const e of this.c.ledger
        .filter((l) => l.comment === n && (l.function === f.name || l.function === null))
        .slice(0, 1))
        lines.push(...this.#remark(e, '      '));
    }
    if (f.state === 'changed') {
      const shown = near(f.diff, 2);
      const rows = this.full ? shown : shown.slice(0, SOME);
      lines.push(...rows.map((r) => this.#row(r, '      ')));
      if (rows.length < shown.length)
        lines.push(`      ${this.paint.dim(`... ${shown.length - rows.length} more lines (--full)`)}`);
    }
    if (this.full) {
      for (const [name, hunks] of [
        [a.name, f.cA],
        [b.name, f.cB],
      ] as const) {
        for (const h of hunks)
          lines.push(
            `      ${this.paint.dim(`C, ${name} patch ${h.patch}:`)}`,
            ...h.diff
              .split('\n')
              .slice(2)
              .map((l) => `        ${this.#inner(l.replaceAll('\t', '    '))}`.trimEnd()),
          );
      }
    }
    return lines;
  }

  /** A line of a difference; the words that changed stand out, by colour or by [-...-] and {+...+}. */
  #row(r: TextRow, indent: string): string {
    if (r.text === '\u2026') return `${indent}${this.paint.dim('...')}`;
    const outer =
      r.kind === '+' ? this.paint.green : r.kind === '-' ? this.paint.red : (t: string): string => t;
    const plain = this.paint.red('x') === 'x';
    const text = (r.words ?? [{ text: r.text, kind: ' ' as const }])
      .map((p) => {
        if (p.kind === ' ' || p.text.trim() === '') return outer(p.text);
        if (plain) return p.kind === '+' ? `{+${p.text}+}` : `[-${p.text}-]`;
        return this.paint.inverse(outer(p.text));
      })
      .join('');
    return `${indent}${outer(r.kind)} ${text}`.replaceAll('\t', '    ').trimEnd();
  }

  #inner(line: string): string {
    return line.startsWith('+') ? this.paint.green(line) : line.startsWith('-') ? this.paint.red(line) : line;
  }

  #state(state: PatchPair['state']): (text: string) => string {
    if (state === 'dropped') return this.paint.red;
    if (state === 'new') return this.paint.green;
    return state === 'changed' ? this.paint.yellow : (t) => t;
  }

  behaviour(): string[] {
    const { a, b, scenarios } = this.c;
    const word = { same: '=', order: '~', differs: '!' };
    const rows = scenarios.map((s) => [
      word[s.state],
      s.name,
      this.#cell(s.a),
      s.state === 'differs' ? this.#cell(s.b) : s.state === 'same' ? 'the same' : 'the same to see',
    ]);
    const shape = [
      { title: '' },
      { title: 'scenario' },
      { title: a.name, flexible: true },
      { title: b.name, flexible: true },
    ];
    return [
      '',
      this.paint.bold('Behaviour'),
      `= the same step by step, ~ the same to see but done in another way, ! differs for the user`,
      '',
      ...table(shape, rows, { width: this.room, head: this.paint.bold }),
      ...scenarios.filter((s) => s.state === 'differs').flatMap((s) => this.#scenario(s)),
    ];
  }

  #cell(c: Cell): string {
    const found = c.findings.map((f) => f.kind).join(', ');
    return `${Object.keys(c.outcomes).join(' | ')}${found === '' ? '' : ` !${found}`}`;
  }

  #scenario(s: ScenarioPair): string[] {
    const { a, b } = this.c;
    const claims = s.claims.length > 0 ? ` (${s.claims.join(', ')})` : '';
    const lines = [
      '',
      `${this.paint.bold(s.name)}${claims}`,
      ...wrap(s.about, this.room - 2).map((l) => `  ${l}`),
    ];
    for (const [name, cell] of [
      [a.name, s.a],
      [b.name, s.b],
    ] as const) {
      for (const [outcome, n] of Object.entries(cell.outcomes)) {
        const often = cell.runs > 1 ? ` (${n} of ${cell.runs})` : '';
        lines.push(...hang(`  ${name}: `, `${outcome}${often}`, this.room));
      }
      for (const f of cell.findings)
        lines.push(...hang(`  ${name}: ${this.paint.red('!')} `, `${f.kind}: ${f.text}`, this.room));
    }
    if (s.timeline === null) return lines;
    const half = Math.floor((this.room - 6) / 2);
    const side = (e: TraceEvent | null): string => (e === null ? '' : cut(`${e.task}: ${what(e)}`, half));
    const limit = this.full ? s.timeline.rows.length : SOME;
    lines.push(
      `  ${this.paint.dim(`the first ${s.timeline.before} events are the same`)}`,
      `  ${this.paint.dim(`${a.name.padEnd(half)}  ${b.name}`)}`,
    );
    for (const r of s.timeline.rows.slice(0, limit)) {
      const left = side(r.a);
      const text = `${left}${' '.repeat(half - columns(left))}  ${side(r.b)}`.trimEnd();
      const paint =
        r.a === null ? this.paint.green : r.b === null ? this.paint.red : (t: string): string => t;
      lines.push(`  ${paint(text)}`);
    }
    const more = s.timeline.rows.length - limit + s.timeline.cut;
    if (more > 0)
      lines.push(
        `  ${this.paint.dim(`... ${more} more${this.full ? '' : ' (--full)'}; vfio-lab scenario ${s.name} --revision ${b.name} --trace`)}`,
      );
    return lines;
  }

  interface(): string[] {
    const { a, b, uapi, errno, locks } = this.c;
    const groups = byCall(errno);
    const lines: string[] = [];
    const some = <T>(list: readonly T[]): readonly T[] => (this.full ? list : list.slice(0, SOME));
    const more = (list: readonly unknown[]): string[] =>
      some(list).length < list.length
        ? [`  ${this.paint.dim(`... ${list.length - some(list).length} more (--full)`)}`]
        : [];
    const shape = (what: string): { title: string; flexible?: boolean }[] => [
      { title: what, flexible: true },
      { title: a.name, flexible: true },
      { title: b.name, flexible: true },
    ];
    const options = { width: this.room, indent: '  ', head: this.paint.dim };
    if (uapi.length > 0)
      lines.push(
        '',
        this.paint.bold('The interface'),
        ...table(
          shape('asked'),
          some(uapi).map((u) => [u.what, u.a, u.b]),
          options,
        ),
        ...more(uapi),
      );
    if (errno.length > 0)
      lines.push(
        '',
        this.paint.bold('Return codes'),
        ...table(
          [...shape('call'), { title: 'states', flexible: true }],
          some(groups).map((e) => [
            e.call,
            e.a,
            e.b,
            e.states.length > 2 ? `${e.states[0]} and ${e.states.length - 1} more` : e.states.join('; '),
          ]),
          options,
        ),
        ...more(groups),
      );
    if (locks.onlyA.length + locks.onlyB.length > 0) {
      lines.push('', this.paint.bold('Lock order'), '  taken while the first is held:');
      for (const [sign, list, paint] of [
        ['-', locks.onlyA, this.paint.red],
        ['+', locks.onlyB, this.paint.green],
      ] as const) {
        for (const e of list)
          lines.push(
            cut(
              `  ${paint(`${sign} ${e.from} -> ${e.to}`)}  ${this.paint.dim(`${e.path}: ${e.fns.join(' > ')}`)}`,
              this.room,
            ),
          );
      }
    }
    return lines;
  }

  ledger(): string[] {
    const { a, b, ledger } = this.c;
    if (ledger.length === 0)
      return a.source === null
        ? ['', this.paint.dim(`No review thread of ${a.name} given (--series-a).`)]
        : [];
    return [
      '',
      this.paint.bold(`Remarks on ${a.name}, in ${b.name}`),
      ...ledger.flatMap((e) => this.#remark(e, '  ')),
    ];
  }

  #remark(e: LedgerEntry, indent: string): string[] {
    const state =
      e.state === 'open' ? this.paint.red : e.state === 'unknown' ? this.paint.yellow : this.paint.green;
    const on =
      e.patch === null
        ? ''
        : e.patch === 0
          ? ', cover letter'
          : `, patch ${e.patch}${e.function === null ? '' : `, ${e.function}()`}`;
    const lines = [
      `${indent}${state(e.state.toUpperCase())} ${this.paint.cyan(`#${e.comment}.${e.remark} ${e.author}, ${(e.date ?? '').slice(0, 10)}`)}${on}: ${e.why}`,
    ];
    const room = this.room - indent.length - 2;
    if (e.quoted !== null)
      lines.push(`${indent}  ${this.paint.dim(cut(`> ${e.quoted.trim()}`.replaceAll('\t', ' '), room))}`);
    const text = wrap(e.text.replace(/\s+/g, ' '), room);
    const some = this.full ? text : text.slice(0, 2);
    lines.push(...some.map((l) => `${indent}  ${l}`));
    if (some.length < text.length) lines[lines.length - 1] += ' …';
    return lines;
  }

  claims(): string[] {
    const { a, b, claims } = this.c;
    if (claims.length === 0) return [];
    const names = [...new Set([a.name, b.name])].filter((n) => claims[0]?.verdicts[n] !== undefined);
    const rows = claims.map((c) => [c.id, ...names.map((n) => c.verdicts[n] ?? ''), `${c.who}: ${c.text}`]);
    const shape = [
      { title: 'claim' },
      ...names.map((n) => ({ title: n })),
      { title: 'what was said', flexible: true },
    ];
    const differ = claims.filter((c) => c.verdicts[a.name] !== c.verdicts[b.name] && names.length > 1);
    return [
      '',
      this.paint.bold('Claims'),
      ...table(shape, rows, { width: this.room, head: this.paint.bold }),
      ...differ.flatMap((c) => [
        '',
        this.paint.bold(c.id),
        ...names.flatMap((n) => hang(`  ${n}: `, c.evidence[n]?.text ?? '', this.room)),
      ]),
    ];
  }
}

/** An event in words, with what is known of power and usage count. */
export function what(e: TraceEvent): string {
  const { usage, status } = e.data;
  const more = typeof usage === 'number' ? ` [usage ${usage}, ${String(status)}]` : '';
  return `${e.text}${more}`;
}

/** Only what changed, with this many lines around; … stands for what is left out. */
function near(rows: readonly TextRow[], around: number): TextRow[] {
  const keep = rows.map((_, i) =>
    rows.slice(Math.max(0, i - around), i + around + 1).some((r) => r.kind !== ' '),
  );
  const shown: TextRow[] = [];
  for (const [i, r] of rows.entries()) {
    if (keep[i]) shown.push(r);
    else if (shown.length > 0 && shown.at(-1)?.text !== '\u2026') shown.push({ kind: ' ', text: '\u2026' });
  }
  if (shown.at(-1)?.text === '\u2026') shown.pop();
  return shown;
}

function hang(lead: string, text: string, room: number): string[] {
  const indent = ' '.repeat(columns(lead));
  return wrap(text, room - indent.length).map((l, i) => (i === 0 ? `${lead}${l}` : `${indent}${l}`));
}
