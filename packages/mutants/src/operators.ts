// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mutants of a function: every statement that takes or drops a lock, moves a count, sets a flag, masks, or checks one
 * of these is left out, and is moved by one, one at a time.
 */

import ts from 'typescript';
import {
  asksFlag,
  calleeName,
  callsIn,
  type Deed,
  deedOf,
  deedOfCall,
  isAssignment,
  localFlags,
} from './deeds.ts';
import { commute, effectsOf, isJump, isNaming, usesUnset } from './effects.ts';
import type { Subject } from './scope.ts';

export type Operator = 'left out' | 'moved up' | 'moved down' | 'check left out' | 'result ignored';

/** What is changed, in terms that are the same in every revision that has the statement. */
export interface MutantKey {
  readonly function: string;
  readonly operator: Operator;
  /** The statement or the condition, on one line, without `await` and `this.`. */
  readonly text: string;
  /** Which of those that read the same, from 1, in the order of the text. */
  readonly nth: number;
  /** For a check: which part of the condition, and what it is taken for. */
  readonly as?: string;
}

export interface Mutant extends MutantKey {
  readonly subject: Subject;
  readonly deed: Deed | 'check';
  /** Line in the TypeScript file, from 1. */
  readonly line: number;
  /** Where in that file the statement starts: a run that gets there executes what is changed. */
  readonly anchor: ts.Statement;
  /** The replacements that make it, in the file's text. */
  readonly edits: readonly Edit[];
  /** Not empty: it is the same program, and why. */
  readonly same: string;
}

export interface Edit {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

const SAME_ASSERT = 'an assertion: it says what callers hold, and does nothing when they do';
const SAME_ORDER =
  'the two statements touch different things, one of them only what nobody else can see, and nobody can get in between';

/** A text on one line, as in C. */
export function oneLine(text: string): string {
  return text
    .replace(/\/\/.*$/gm, '')
    .replace(/\b(?:await |this\.)/g, '')
    .replace(/\s+/g, ' ')
    .replace(/;$/, '')
    .trim();
}

/** The key of a mutant as one string. */
export function keyOf(m: MutantKey): string {
  const nth = m.nth > 1 ? ` #${m.nth}` : '';
  return `${m.function}: ${m.operator}: ${m.text}${nth}${m.as === undefined ? '' : ` [${m.as}]`}`;
}

/** A text with edits made; they do not overlap. */
export function edited(text: string, edits: readonly Edit[]): string {
  let result = text;
  for (const e of edits.toSorted((a, b) => b.from - a.from || b.to - a.to))
    result = result.slice(0, e.from) + e.text + result.slice(e.to);
  return result;
}

/** The value that stands for success of what is left out. */
function successOf(call: ts.CallExpression): string | null {
  const name = calleeName(call);
  if (name === 'spin_lock_irqsave') return 'false';
  if (/^(?:eventfd_ctx_fdget|fget|iommu_group_get)$/.test(name)) return null;
  if (/(?:trylock|not_zero)$/.test(name) || name === 'vfio_pci_zap_and_vma_lock') return '1';
  return '0';
}

class Collector {
  readonly mutants: Mutant[] = [];
  readonly #subject: Subject;
  readonly #text: string;
  readonly #file: ts.SourceFile;
  readonly #locals: ReadonlySet<string>;
  readonly #seen = new Set<string>();
  readonly #count = new Map<string, number>();

  constructor(subject: Subject) {
    this.#subject = subject;
    this.#file = subject.declaration.getSourceFile();
    this.#text = this.#file.text;
    this.#locals = localFlags(subject.declaration);
    if (subject.declaration.body) this.#list(subject.declaration.body.statements);
  }

  #add(
    deed: Mutant['deed'],
    operator: Operator,
    anchor: ts.Statement,
    what: ts.Node,
    edits: readonly Edit[],
    rest: { as?: string; same?: string } = {},
  ): void {
    const result = edited(this.#text, edits);
    if (result === this.#text || this.#seen.has(result)) return;
    this.#seen.add(result);
    const { as } = rest;
    const text = oneLine(headOf(what));
    const name = `${operator} ${text} ${as ?? ''}`;
    const nth = (this.#count.get(name) ?? 0) + 1;
    this.#count.set(name, nth);
    this.mutants.push({
      function: this.#subject.name,
      operator,
      text,
      nth,
      ...(as !== undefined && { as }),
      subject: this.#subject,
      deed,
      line: this.#file.getLineAndCharacterOfPosition(what.getStart()).line + 1,
      anchor,
      edits,
      same: rest.same ?? '',
    });
  }

  #list(statements: ts.NodeArray<ts.Statement>): void {
    statements.forEach((statement, i) => {
      const deed = this.#own(statement);
      if (deed !== null) {
        this.#move(statements, i, deed, -1);
        this.#move(statements, i, deed, 1);
      }
      this.#below(statement);
    });
  }

  /** Leave out what the statement itself does or checks. The deed, when it may also move. */
  #own(statement: ts.Statement): Mutant['deed'] | null {
    const deed = deedOf(statement, this.#locals);
    let result: Mutant['deed'] | null = deed;
    if (deed !== null) this.#leaveOut(statement, deed);
    if (ts.isIfStatement(statement)) {
      if (this.#condition(statement, statement.expression)) result = 'check';
    } else if (
      ts.isExpressionStatement(statement) ||
      ts.isVariableStatement(statement) ||
      ts.isReturnStatement(statement)
    ) {
      this.#values(statement, statement);
    }
    return result;
  }

  #below(statement: ts.Statement): void {
    const visit = (node: ts.Node): void => {
      if (ts.isBlock(node) || ts.isCaseOrDefaultClause(node)) this.#list(node.statements);
      else if (ts.isStatement(node) && node !== statement) {
        // the body of an if or a loop, without braces
        this.#own(node);
        this.#below(node);
      } else if (!ts.isFunctionLike(node)) ts.forEachChild(node, visit);
    };
    if (ts.isBlock(statement)) this.#list(statement.statements);
    else ts.forEachChild(statement, visit);
  }

  #leaveOut(statement: ts.Statement, deed: Deed): void {
    const same = deed === 'assert' ? SAME_ASSERT : '';
    const whole = { from: statement.getStart(), to: statement.end };
    const call = callsIn(statement).find((c) => deedOfCall(c) !== null);
    if (ts.isExpressionStatement(statement)) {
      const { expression } = statement;
      // `ret = take()`: what follows looks at ret, so it is taken for a success
      if (call !== undefined && isAssignment(expression)) {
        const value = successOf(call);
        const { right } = expression;
        if (value !== null && unwrapped(right) === call)
          this.#add(deed, 'left out', statement, statement, [
            { from: right.getStart(), to: right.end, text: value },
          ]);
        return;
      }
      this.#add(deed, 'left out', statement, statement, [{ ...whole, text: ';' }], { same });
      return;
    }
    if (!ts.isVariableStatement(statement) || call === undefined) return;
    const initializer = statement.declarationList.declarations[0]?.initializer;
    const value = successOf(call);
    if (initializer === undefined || value === null || unwrapped(initializer) !== call) return;
    this.#add(deed, 'left out', statement, statement, [
      { from: initializer.getStart(), to: initializer.end, text: value },
    ]);
  }

  /** Change places with the neighbour, over declarations that only name something. */
  #move(statements: ts.NodeArray<ts.Statement>, at: number, deed: Mutant['deed'], step: 1 | -1): void {
    let to = at + step;
    while (statements[to] !== undefined && isNaming(statements[to]) && !isNaming(statements[at])) {
      const naming = effectsOf(statements[to]);
      const own = effectsOf(statements[at]);
      // It names what this one needs: there is no going past it.
      if ([...naming.declares].some((name) => own.names.has(name)) && step < 0) return;
      to += step;
    }
    const other = statements[to];
    if (other === undefined || isJump(other) || isJump(statements[at])) return;
    const [first, second] = step > 0 ? [statements[at], other] : [other, statements[at]];
    const [a, b] = [effectsOf(first), effectsOf(second)];
    if (usesUnset(a, b, (name) => this.#unset(name, first))) return;
    const asserts = deed === 'assert' && this.#passes(statements[at], other);
    const same = asserts ? SAME_ASSERT : commute(a, b) ? SAME_ORDER : '';
    // Down over the next one is the same as up over the one before.
    const pair = `${first.pos} ${second.pos}`;
    if (this.#seen.has(pair)) return;
    this.#seen.add(pair);
    const statement = statements[at];
    const text = this.#text.slice(statement.getStart(), statement.end);
    this.#add(
      deed,
      step > 0 ? 'moved down' : 'moved up',
      first,
      statement,
      [
        { from: statement.getStart(), to: statement.end, text: '' },
        step > 0
          ? { from: other.end, to: other.end, text: `\n${text}` }
          : { from: other.getStart(), to: other.getStart(), text: `${text}\n` },
      ],
      { same },
    );
  }

  /** May an assertion about a lock go past a statement? When that does nothing to this lock. */
  #passes(assertion: ts.Statement, other: ts.Statement): boolean {
    const [call] = callsIn(assertion);
    const lock = call?.arguments[0]?.getText();
    return (
      lock !== undefined &&
      calleeName(call).startsWith('lockdep_assert') &&
      callsIn(other).every((c) => c.arguments[0]?.getText() !== lock)
    );
  }

  /** Has a variable no value before a statement? Declared without one, and not assigned above. */
  #unset(name: string, before: ts.Statement): boolean {
    let unset = false;
    const visit = (node: ts.Node): void => {
      if (node.getStart() >= before.getStart()) return;
      if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.name.text === name)
        unset = node.initializer === undefined;
      if (isAssignment(node) && ts.isIdentifier(node.left) && node.left.text === name) unset = false;
      ts.forEachChild(node, visit);
    };
    visit(this.#subject.declaration);
    return unset;
  }

  /** The parts of the condition of an if that check something of interest; true: there are some. */
  #condition(statement: ts.IfStatement, condition: ts.Expression): boolean {
    const leaves = statement.elseStatement === undefined && endsInJump(statement.thenStatement);
    const root = statement.elseStatement !== undefined ? ['true', 'false'] : [leaves ? 'false' : 'true'];
    return this.#parts(statement, condition, root);
  }

  /** Every && and || and ?: in a value. */
  #values(statement: ts.Statement, node: ts.Node): void {
    if (ts.isFunctionLike(node)) return;
    if (ts.isBinaryExpression(node) && isLogical(node)) {
      this.#parts(statement, node, []);
      return;
    }
    if (ts.isConditionalExpression(node)) {
      this.#parts(statement, node.condition, ['true', 'false']);
      return;
    }
    ts.forEachChild(node, (child) => this.#values(statement, child));
  }

  #parts(anchor: ts.Statement, condition: ts.Expression, neutral: readonly string[]): boolean {
    const inner = unparenthesized(condition);
    if (ts.isBinaryExpression(inner) && isLogical(inner)) {
      const and = inner.operatorToken.kind === ts.SyntaxKind.AmpersandAmpersandToken;
      const value = [and ? 'true' : 'false'];
      const left = this.#parts(anchor, inner.left, value);
      return this.#parts(anchor, inner.right, value) || left;
    }
    const call = callsIn(inner).find((c) => deedOfCall(c) !== null);
    if (call === undefined && !asksFlag(inner, this.#locals) && !this.#asksResult(anchor, inner))
      return false;
    const whole = { from: condition.getStart(), to: condition.end };
    for (const value of neutral) {
      const as =
        neutral.length > 1 || condition.parent !== anchor
          ? `${oneLine(inner.getText())} = ${value}`
          : undefined;
      const rest = as === undefined ? {} : { as };
      this.#add('check', 'check left out', anchor, anchor, [{ ...whole, text: value }], rest);
      if (call !== undefined)
        this.#add(
          'check',
          'result ignored',
          anchor,
          anchor,
          [{ ...whole, text: `(${inner.getText()}, ${value})` }],
          rest,
        );
    }
    return true;
  }

  /** Does it look at the variable that the statement before has set to what a lock, a count or a mask gave? */
  #asksResult(anchor: ts.Statement, condition: ts.Expression): boolean {
    const { parent } = anchor;
    if (!ts.isBlock(parent) && !ts.isCaseOrDefaultClause(parent)) return false;
    const before = parent.statements[parent.statements.indexOf(anchor) - 1];
    if (before === undefined || !(ts.isExpressionStatement(before) || ts.isVariableStatement(before)))
      return false;
    if (!callsIn(before).some((c) => deedOfCall(c) !== null)) return false;
    const { writes, declares } = effectsOf(before);
    let found = false;
    const visit = (n: ts.Node): void => {
      if (ts.isIdentifier(n) && (writes.has(n.text) || declares.has(n.text))) found = true;
      ts.forEachChild(n, visit);
    };
    visit(condition);
    return found;
  }
}

/** What to call a statement: an if by its condition. */
function headOf(node: ts.Node): string {
  if (!ts.isIfStatement(node)) return node.getText();
  return `if (${node.expression.getText()})`;
}

function isLogical(node: ts.BinaryExpression): boolean {
  const { kind } = node.operatorToken;
  return kind === ts.SyntaxKind.AmpersandAmpersandToken || kind === ts.SyntaxKind.BarBarToken;
}

function unparenthesized(node: ts.Expression): ts.Expression {
  return ts.isParenthesizedExpression(node) ? unparenthesized(node.expression) : node;
}

/** Without parentheses and await. */
function unwrapped(node: ts.Expression): ts.Expression {
  const inner = unparenthesized(node);
  return ts.isAwaitExpression(inner) ? unwrapped(inner.expression) : inner;
}

function endsInJump(statement: ts.Statement): boolean {
  if (!ts.isBlock(statement)) return isJump(statement);
  const last = statement.statements.at(-1);
  return last !== undefined && endsInJump(last);
}

/** The mutants of a function, in the order of its text. No two have the same text. */
export function mutantsOf(subject: Subject): Mutant[] {
  return new Collector(subject).mutants;
}
