// SPDX-License-Identifier: GPL-2.0-only
/* The steps of a ported function, and of what a patch module declares beside its functions. */

import { isFunctionPointer } from '@vfio-lab/port-check/mirrored';
import ts from 'typescript';
import type { Atom, AtomKind } from './atoms.ts';
import { calledName, isLoopMacro, numberWord, operatorWord, roleOfCall, Words } from './atoms.ts';

/** What a ported function declares a variable with: nothing, a constant, something else. */
export type Declared = ReadonlyMap<string, 'none' | 'constant' | 'other'>;

export interface TsSteps {
  readonly atoms: readonly Atom[];
  readonly declared: Declared;
}

/** Without what only the type checker and promises need. */
function bare(node: ts.Node): ts.Node {
  let at = node;
  for (;;) {
    if (
      ts.isParenthesizedExpression(at) ||
      ts.isAwaitExpression(at) ||
      ts.isAsExpression(at) ||
      ts.isNonNullExpression(at) ||
      ts.isSatisfiesExpression(at)
    )
      at = at.expression;
    // A value for what cannot be absent in C.
    else if (ts.isBinaryExpression(at) && at.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken)
      at = at.left;
    else return at;
  }
}

function isConstant(node: ts.Node): boolean {
  const value = bare(node);
  return (
    ts.isNumericLiteral(value) ||
    ts.isBigIntLiteral(value) ||
    value.kind === ts.SyntaxKind.NullKeyword ||
    value.kind === ts.SyntaxKind.TrueKeyword ||
    value.kind === ts.SyntaxKind.FalseKeyword
  );
}

/** The steps of a function. */
export function tsSteps(fn: ts.FunctionDeclaration): TsSteps {
  const walker = new TsWalker(fn.getSourceFile());
  walker.head(fn);
  if (fn.body !== undefined) walker.statement(fn.body);
  return { atoms: walker.atoms, declared: walker.declared };
}

/** Names of the function pointers in a piece of file-scope data. */
function pointersIn(node: ts.Node): { name: string; at: ts.Node }[] {
  const found: { name: string; at: ts.Node }[] = [];
  const visit = (at: ts.Node): void => {
    if (ts.isPropertyAccessExpression(at) && ts.isIdentifier(at.expression) && at.expression.text === 'k')
      found.push({ name: at.name.text, at });
    ts.forEachChild(at, visit);
  };
  visit(node);
  return found;
}

function nameOf(name: ts.PropertyName | ts.BindingName | undefined): string {
  return name !== undefined && (ts.isIdentifier(name) || ts.isStringLiteral(name)) ? name.text : '';
}

/** What `export const fields` adds: one step a field. */
export function fieldAtoms(fields: ts.Expression): Atom[] {
  const file = fields.getSourceFile();
  const value = bare(fields);
  if (!ts.isObjectLiteralExpression(value)) return [];
  return value.properties.flatMap((struct) => {
    const inner = ts.isPropertyAssignment(struct) ? bare(struct.initializer) : struct;
    if (!ts.isObjectLiteralExpression(inner)) return [];
    return inner.properties.map((field): Atom => ({
      kind: 'field',
      name: `${nameOf(struct.name)}.${nameOf(field.name)}`,
      words: [],
      lines: [lineOf(file, field)],
    }));
  });
}

/** The data that `statics` makes: one step a table, one a function in it. */
export function dataAtoms(statics: ts.FunctionDeclaration): Atom[] {
  const file = statics.getSourceFile();
  const atoms: Atom[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isReturnStatement(node) && node.expression !== undefined) {
      const table = bare(node.expression);
      if (!ts.isObjectLiteralExpression(table)) return;
      for (const entry of table.properties) {
        const name = nameOf(entry.name);
        atoms.push({ kind: 'data', name, words: [], lines: [lineOf(file, entry)] });
        for (const { name: fn, at } of pointersIn(entry))
          atoms.push({ kind: 'ref', name: `${name}.${fn}`, words: [], lines: [lineOf(file, at)] });
      }
      return;
    }
    ts.forEachChild(node, visit);
  };
  visit(statics);
  return atoms;
}

/** A constant or a struct of the user API, as C defines it. */
export function constantAtoms(declaration: ts.VariableDeclaration): Atom[] {
  const file = declaration.getSourceFile();
  const name = nameOf(declaration.name);
  const value = declaration.initializer === undefined ? undefined : bare(declaration.initializer);
  const lines = [lineOf(file, declaration)];
  if (value === undefined) return [];
  if (ts.isCallExpression(value) && value.expression.getText() === 'ustruct') {
    const members = value.arguments[1];
    if (members === undefined || !ts.isObjectLiteralExpression(members)) return [];
    return members.properties.map((member) => ({
      kind: 'field',
      name: `${name}.${nameOf(member.name)}`,
      words: [],
      lines: [lineOf(file, member)],
    }));
  }
  const words = (value.getText().match(/\w+|<<|[|&~+*-]/g) ?? []).map(numberWord);
  return [{ kind: 'define', name, words: words.toSorted(), lines }];
}

function lineOf(file: ts.SourceFile, node: ts.Node): number {
  return file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
}

class TsWalker {
  readonly atoms: Atom[] = [];
  readonly declared = new Map<string, 'none' | 'constant' | 'other'>();
  readonly #file: ts.SourceFile;

  constructor(file: ts.SourceFile) {
    this.#file = file;
  }

  head(fn: ts.FunctionDeclaration): void {
    let type = fn.type;
    if (type !== undefined && ts.isTypeReferenceNode(type) && type.typeName.getText() === 'Promise') {
      type = type.typeArguments?.[0];
    }
    const result =
      type?.kind === ts.SyntaxKind.VoidKeyword
        ? 'void'
        : type?.kind === ts.SyntaxKind.BooleanKeyword
          ? 'bool'
          : 'value';
    const parameters = fn.parameters.map((p) => nameOf(p.name)).filter((name) => name !== 'this');
    this.atoms.push({
      kind: 'function',
      name: fn.name?.text ?? '',
      words: [result, ...parameters],
      lines: [lineOf(this.#file, fn)],
    });
  }

  #emit(kind: AtomKind, name: string, words: Words, extra: Partial<Atom> = {}): void {
    this.atoms.push({ kind, name, words: words.sorted(), lines: words.lines, ...extra });
  }

  #at(node: ts.Node): Words {
    const words = new Words();
    words.at(lineOf(this.#file, node));
    return words;
  }

  #end(node: ts.Node): void {
    const words = new Words();
    words.at(this.#file.getLineAndCharacterOfPosition(node.end).line + 1);
    this.#emit('end', '', words);
  }

  #condition(kind: AtomKind, node: ts.Node, condition: ts.Node | undefined): void {
    const words = this.#at(node);
    if (condition !== undefined) this.#expression(condition, words);
    this.#emit(kind, '', words);
  }

  statement(node: ts.Node): void {
    if (ts.isVariableStatement(node)) {
      for (const declaration of node.declarationList.declarations) this.#declaration(declaration);
    } else if (ts.isIfStatement(node)) {
      this.#condition('if', node, node.expression);
      this.statement(node.thenStatement);
      if (node.elseStatement !== undefined) {
        this.#emit('else', '', this.#at(node.elseStatement));
        this.statement(node.elseStatement);
        if (ts.isIfStatement(node.elseStatement)) return;
      }
      this.#end(node);
    } else if (ts.isWhileStatement(node) || ts.isDoStatement(node)) {
      this.#condition('loop', node, node.expression);
      this.statement(node.statement);
      this.#end(node);
    } else if (ts.isForStatement(node)) {
      if (node.initializer !== undefined) {
        if (ts.isVariableDeclarationList(node.initializer))
          for (const declaration of node.initializer.declarations) this.#declaration(declaration);
        else this.#expression(node.initializer, this.#at(node.initializer));
      }
      this.#condition('loop', node, node.condition);
      this.statement(node.statement);
      if (node.incrementor !== undefined) this.#expression(node.incrementor, this.#at(node.incrementor));
      this.#end(node);
    } else if (ts.isForOfStatement(node)) {
      const words = this.#at(node);
      const iterable = bare(node.expression);
      let name = '';
      if (
        ts.isCallExpression(iterable) &&
        ts.isIdentifier(iterable.expression) &&
        isLoopMacro(iterable.expression.text)
      ) {
        name = iterable.expression.text;
        const head = iterable.arguments.at(-1);
        if (head !== undefined) this.#expression(head, words);
      } else {
        this.#expression(iterable, words);
      }
      this.#emit('loop', name, words);
      this.statement(node.statement);
      this.#end(node);
    } else if (ts.isSwitchStatement(node)) {
      this.#condition('switch', node, node.expression);
      for (const clause of node.caseBlock.clauses) {
        const words = this.#at(clause);
        const named = new Words();
        if (ts.isCaseClause(clause)) this.#expression(clause.expression, named);
        this.#emit('case', ts.isCaseClause(clause) ? named.list.join(' ') : 'default', words);
        for (const inner of clause.statements) this.statement(inner);
      }
      this.#end(node);
    } else if (ts.isReturnStatement(node)) {
      const words = this.#at(node);
      if (node.expression !== undefined) this.#expression(node.expression, words);
      this.#emit('return', '', words);
    } else if (ts.isBreakStatement(node)) {
      // The C has a goto where a labelled block is left here.
      if (node.label !== undefined) this.#emit('goto', node.label.text, this.#at(node));
      else this.#emit('break', '', this.#at(node));
    } else if (ts.isContinueStatement(node)) {
      if (node.label !== undefined) this.#emit('goto', node.label.text, this.#at(node));
      else this.#emit('continue', '', this.#at(node));
    } else if (ts.isExpressionStatement(node)) {
      this.#expression(node.expression, this.#at(node));
    } else {
      ts.forEachChild(node, (child) => this.statement(child));
    }
  }

  #declaration(node: ts.VariableDeclaration): void {
    const value = node.initializer;
    if (value === undefined) {
      this.declared.set(nameOf(node.name), 'none');
      return;
    }
    if (ts.isObjectBindingPattern(node.name)) {
      // const { pdev } = vdev: a declaration with the field for its value
      this.#expression(value, new Words());
      for (const element of node.name.elements) {
        const words = this.#at(node);
        words.add(nameOf((element.propertyName as ts.BindingName | undefined) ?? element.name));
        this.declared.set(nameOf(element.name), 'other');
        this.#emit('set', nameOf(element.name), words, { initial: 'other' });
      }
      return;
    }
    const words = this.#at(node);
    this.#expression(value, words);
    const initial = isConstant(value) ? 'constant' : 'other';
    this.declared.set(nameOf(node.name), initial);
    this.#emit('set', nameOf(node.name), words, { initial });
  }

  #target(node: ts.Node, words: Words): string {
    const at = bare(node);
    if (ts.isPropertyAccessExpression(at)) {
      if (at.name.text === 'v') return this.#target(at.expression, words);
      this.#expression(at.expression, new Words());
      return at.name.text;
    }
    if (ts.isElementAccessExpression(at)) {
      this.#expression(at.argumentExpression, words);
      return this.#target(at.expression, words);
    }
    return at.getText(this.#file);
  }

  #expression(node: ts.Node, words: Words): void {
    const at = bare(node);
    words.at(lineOf(this.#file, at));
    const visit = (child: ts.Node): void => this.#expression(child, words);
    if (isFunctionPointer(at)) {
      const call = bare((at as ts.ArrowFunction).body) as ts.CallExpression;
      words.add((call.expression as ts.PropertyAccessExpression).name.text);
    } else if (ts.isIdentifier(at)) {
      words.add(at.text === 'undefined' ? 'null' : at.text);
    } else if (at.kind === ts.SyntaxKind.NullKeyword) {
      words.add('null');
    } else if (at.kind === ts.SyntaxKind.TrueKeyword || at.kind === ts.SyntaxKind.FalseKeyword) {
      words.add(at.getText(this.#file));
    } else if (ts.isNumericLiteral(at) || ts.isBigIntLiteral(at)) {
      words.add(numberWord(at.getText(this.#file).replaceAll('_', '')));
    } else if (ts.isTemplateExpression(at)) {
      for (const span of at.templateSpans) visit(span.expression);
    } else if (ts.isPropertyAccessExpression(at)) {
      // A Ref stands for a pointer.
      if (at.name.text === 'v') visit(at.expression);
      else {
        this.#expression(at.expression, new Words());
        words.add(at.name.text);
      }
    } else if (ts.isPrefixUnaryExpression(at)) {
      this.#unary(at, words);
    } else if (ts.isPostfixUnaryExpression(at)) {
      this.#update(at, at.operand, at.operator === ts.SyntaxKind.PlusPlusToken ? '++' : '--', words);
    } else if (ts.isBinaryExpression(at)) {
      this.#binary(at, words);
    } else if (ts.isConditionalExpression(at)) {
      visit(at.condition);
      words.add('?');
      visit(at.whenTrue);
      visit(at.whenFalse);
    } else if (ts.isCallExpression(at)) {
      this.#call(at, words);
    } else if (ts.isNewExpression(at)) {
      for (const arg of at.arguments ?? []) visit(arg);
    } else if (ts.isObjectLiteralExpression(at)) {
      for (const property of at.properties) {
        words.add(nameOf(property.name));
        if (ts.isPropertyAssignment(property)) visit(property.initializer);
        else if (ts.isShorthandPropertyAssignment(property)) visit(property.name);
      }
    } else if (ts.isArrowFunction(at) || ts.isFunctionExpression(at)) {
      if (ts.isBlock(at.body)) this.statement(at.body);
      else visit(at.body);
    } else if (ts.isStringLiteralLike(at) || at.kind === ts.SyntaxKind.ThisKeyword || ts.isTypeNode(at)) {
      return;
    } else {
      ts.forEachChild(at, visit);
    }
  }

  #unary(node: ts.PrefixUnaryExpression, words: Words): void {
    const operand = bare(node.operand);
    switch (node.operator) {
      case ts.SyntaxKind.PlusPlusToken:
      case ts.SyntaxKind.MinusMinusToken:
        this.#update(node, operand, node.operator === ts.SyntaxKind.PlusPlusToken ? '++' : '--', words);
        return;
      case ts.SyntaxKind.MinusToken:
        if (ts.isIdentifier(operand) || ts.isNumericLiteral(operand)) {
          words.add(`-${ts.isIdentifier(operand) ? operand.text : numberWord(operand.text)}`);
          return;
        }
        words.add('-');
        break;
      case ts.SyntaxKind.ExclamationToken:
        if (ts.isPrefixUnaryExpression(operand) && operand.operator === ts.SyntaxKind.ExclamationToken) {
          this.#expression(operand.operand, words);
          return;
        }
        words.add('!');
        break;
      case ts.SyntaxKind.TildeToken:
        words.add('~');
        break;
    }
    this.#expression(operand, words);
  }

  #update(node: ts.Node, operand: ts.Node, operator: string, words: Words): void {
    const own = this.#at(node);
    const name = this.#target(operand, own);
    own.add(operator);
    this.#emit('set', name, own);
    words.add(name);
  }

  #binary(node: ts.BinaryExpression, words: Words): void {
    const operator = operatorWord(node.operatorToken.getText(this.#file));
    if (
      node.operatorToken.kind >= ts.SyntaxKind.FirstAssignment &&
      node.operatorToken.kind <= ts.SyntaxKind.LastAssignment
    ) {
      const own = this.#at(node);
      const name = this.#target(node.left, own);
      this.#expression(node.right, own);
      if (operator !== '=') own.add(operator);
      this.#emit('set', name, own);
      words.add(name);
      return;
    }
    const right = bare(node.right);
    // x >>> 0 makes a u32 of it.
    if (operator === '>>' && right.getText(this.#file) === '0') {
      this.#expression(node.left, words);
      return;
    }
    this.#expression(node.left, words);
    if (
      (operator === '==' || operator === '!=') &&
      /^(?:0n?|null|undefined)$/.test(right.getText(this.#file))
    ) {
      if (operator === '==') words.add('!');
      return;
    }
    words.add(operator);
    this.#expression(right, words);
  }

  #call(node: ts.CallExpression, words: Words): void {
    let callee = bare(node.expression);
    let args: readonly ts.Expression[] = node.arguments;
    // `func.call(this, ...)` calls func
    if (ts.isPropertyAccessExpression(callee) && callee.name.text === 'call') {
      callee = bare(callee.expression);
      args = args.slice(1);
    }
    let isMember = false;
    let name = '';
    if (ts.isPropertyAccessExpression(callee)) {
      isMember = callee.expression.kind !== ts.SyntaxKind.ThisKeyword;
      name = callee.name.text;
    } else if (ts.isIdentifier(callee)) {
      name = callee.text;
    }
    let role = roleOfCall(name, isMember);
    // String(), Number(): of the language
    if (!isMember && ts.isIdentifier(callee) && name in globalThis) role = 'arguments';
    if (role === 'nothing') return;
    if (isMember && ts.isPropertyAccessExpression(callee)) {
      this.#expression(callee.expression, role === 'call' ? new Words() : words);
    }
    // field_ref(x, 'f') is &x->f
    if (name === 'field_ref' || name === 'addr_of') {
      const field = args[1];
      if (args[0] !== undefined) this.#expression(args[0], field === undefined ? words : new Words());
      if (field !== undefined && ts.isStringLiteralLike(field)) words.add(field.text);
      return;
    }
    if (role === 'arguments') {
      for (const arg of args) this.#expression(arg, words);
      return;
    }
    // Of which class an allocation is, C says by its size.
    const ofClass = { kzalloc: 0, kcalloc: 1 }[name] ?? -1;
    const own = this.#at(node);
    args.forEach((arg, i) => {
      if (i !== ofClass) this.#expression(arg, own);
    });
    this.#emit('call', calledName(name), own);
  }
}
