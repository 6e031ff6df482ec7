// SPDX-License-Identifier: GPL-2.0-only
/* What a statement reads and writes, as far as it takes to say whether two neighbours may change places. */

import ts from 'typescript';
import { calleeName, callsIn, PURE, targetsIn, walk } from './deeds.ts';

/** The effects of one statement. */
export interface Effects {
  /** Names of variables it declares. */
  readonly declares: ReadonlySet<string>;
  /** Names of variables or fields it assigns. */
  readonly writes: ReadonlySet<string>;
  /** Every name in it. */
  readonly names: ReadonlySet<string>;
  /** It calls nothing that others could see, and never waits. */
  readonly plain: boolean;
  /** And touches only variables of the function. */
  readonly local: boolean;
  /** It can leave the block: return, break, continue, throw. */
  readonly jumps: boolean;
  /** It does nothing else than that. */
  readonly jump: boolean;
}

/** The name of what is assigned: the variable, or the last field. */
function targetName(target: ts.Expression): string {
  if (ts.isIdentifier(target)) return target.text;
  if (ts.isPropertyAccessExpression(target)) return target.name.text;
  if (ts.isElementAccessExpression(target)) return targetName(target.expression);
  return '';
}

function bindingNames(name: ts.BindingName): string[] {
  if (ts.isIdentifier(name)) return [name.text];
  return name.elements.flatMap((e) => (ts.isBindingElement(e) ? bindingNames(e.name) : []));
}

export function isJump(node: ts.Node): boolean {
  return (
    ts.isReturnStatement(node) ||
    ts.isBreakStatement(node) ||
    ts.isContinueStatement(node) ||
    ts.isThrowStatement(node)
  );
}

/** The effects of a statement and all in it. */
export function effectsOf(statement: ts.Statement): Effects {
  const declares = new Set<string>();
  const writes = new Set<string>();
  const names = new Set<string>();
  let jumps = false;
  let waits = false;
  let fields = false;
  walk(statement, (n) => {
    if (ts.isIdentifier(n)) names.add(n.text);
    if (ts.isVariableDeclaration(n)) for (const name of bindingNames(n.name)) declares.add(name);
    if (ts.isAwaitExpression(n)) waits = true;
    if (ts.isPropertyAccessExpression(n) || ts.isElementAccessExpression(n)) fields = true;
    if (ts.isObjectBindingPattern(n)) fields = true;
    if (isJump(n)) jumps = true;
  });
  for (const target of targetsIn(statement)) writes.add(targetName(target));
  const quiet = callsIn(statement).every((call) => PURE.has(calleeName(call)));
  const plain = quiet && !waits;
  const local = plain && !(fields && !ts.isVariableStatement(statement));
  return { declares, writes, names, plain, local, jumps, jump: isJump(statement) };
}

function meet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const x of a) if (b.has(x)) return true;
  return false;
}

/** May two neighbours change places without anybody seeing it? Neither uses what the other sets, and one of them is alone. */
export function commute(a: Effects, b: Effects): boolean {
  if (a.jumps || b.jumps) return false;
  if (meet(a.writes, b.names) || meet(b.writes, a.names)) return false;
  if (meet(a.declares, b.names) || meet(b.declares, a.names)) return false;
  return a.local || b.local || (a.plain && b.plain);
}

/** Would b before a use a variable that has no value yet? */
export function usesUnset(a: Effects, b: Effects, unset: (name: string) => boolean): boolean {
  if (meet(a.declares, b.names)) return true;
  for (const name of a.writes) if (b.names.has(name) && unset(name)) return true;
  return false;
}

/** A declaration that only gives something a name: reads fields, calls nothing. Moving it changes nothing. */
export function isNaming(statement: ts.Statement): boolean {
  return ts.isVariableStatement(statement) && effectsOf(statement).plain;
}
