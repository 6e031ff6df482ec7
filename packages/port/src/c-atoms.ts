// SPDX-License-Identifier: GPL-2.0-only
/* The steps of C: of a piece of a function as a hunk shows it, and of a piece of a file between functions. */

import { ANNOTATIONS, cParser, TYPES } from '@vfio-lab/port-check/kernel-tree';
import type { Node, Parser } from 'web-tree-sitter';
import type { Atom, AtomKind } from './atoms.ts';
import { calledName, isLoopMacro, numberWord, operatorWord, roleOfCall, Words } from './atoms.ts';

/** What was read of a piece of C. */
export interface CPiece {
  readonly atoms: readonly Atom[];
  /** Lines from 1 that could not be read: the statement that they are part of starts before the hunk. */
  readonly unread: readonly number[];
}

/** The text without comments, as long and with as many lines. A comment may have begun before it. */
function withoutComments(text: string): string {
  const blank = (part: string): string => part.replace(/[^\n]/g, ' ');
  let rest = text;
  const close = rest.indexOf('*/');
  const open = rest.indexOf('/*');
  if (close >= 0 && (open < 0 || close < open))
    rest = blank(rest.slice(0, close + 2)) + rest.slice(close + 2);
  // A hunk inside one comment shows neither its start nor its end.
  if (close < 0 && open < 0) rest = rest.replace(/^(?:[ \t]*\*(?:[ \t].*)?(?:\n|$))+/, blank);
  return rest.replace(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'|\/\*[\s\S]*?(?:\*\/|$)|\/\/.*/g, (part) =>
    part.startsWith('/') ? blank(part) : part,
  );
}

/** The characters of strings, so that brackets can be counted. */
function withoutStrings(text: string): string {
  return text.replace(
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'/g,
    (part) => `"${'_'.repeat(part.length - 2)}"`,
  );
}

/** Where the parenthesis that opens at `open` closes; -1 when it does not. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')' && --depth === 0) return i;
  }
  return -1;
}

/** Loop macros become `while`, ranges of a case two cases; conditions of the preprocessor go. Lines stay. */
function plainC(text: string): string {
  let result = text
    .replace(ANNOTATIONS, (word) => ' '.repeat(word.length))
    .replace(/^[ \t]*#[ \t]*(?:if|ifdef|ifndef|else|elif|endif|include|undef)\b.*$/gm, '')
    .replace(/\bcase\s+(\w+)\s*\.\.\.\s*(\w+)\s*:/g, 'case $1: case $2:');
  for (let at = 0; ;) {
    const found = /(?<=^|[\s{};)])\w*for_each_\w+\s*(?=\()/g;
    found.lastIndex = at;
    const match = found.exec(result);
    if (match === null) return result;
    const open = result.indexOf('(', match.index);
    const close = closing(result, open);
    const after = result.slice(close + 1).trimStart();
    at = match.index + match[0].length;
    // A call of a function of such a name ends its statement.
    if (close < 0 || after.startsWith(';') || after.startsWith(')') || after.startsWith(',')) continue;
    result = `${result.slice(0, match.index)}while (${result.slice(match.index, close + 1)})${result.slice(close + 1)}`;
    at += 'while ('.length;
  }
}

/** What must stand before and behind a piece so that its brackets match. Blanks what began before it. */
function balanced(
  text: string,
  isWhole: boolean,
): { before: string; text: string; after: string; cut: number[] } {
  let body = text;
  const cut: number[] = [];
  for (;;) {
    const counted = withoutStrings(body);
    let depth = 0;
    let end = -1;
    for (let i = 0; i < counted.length && end < 0; i++) {
      if (counted[i] === '(') depth++;
      else if (counted[i] === ')' && --depth < 0) end = i;
    }
    if (end < 0) break;
    const tail = /^\s*;/.exec(counted.slice(end + 1));
    const upTo = end + 1 + (tail?.[0].length ?? 0);
    const gone = body.slice(0, upTo);
    gone.split('\n').forEach((line, i) => {
      if (/[\w]/.test(line)) cut.push(i + 1);
    });
    body = gone.replace(/[^\n]/g, ' ') + body.slice(upTo);
  }
  const counted = withoutStrings(body);
  const openers: string[] = [];
  let depth = 0;
  let lastAtColumnZero = false;
  for (let i = 0; i < counted.length; i++) {
    if (counted[i] === '{') depth++;
    if (counted[i] !== '}' || --depth >= 0) continue;
    depth = 0;
    const rest = counted.slice(i + 1);
    openers.push(/^\s*else\b/.test(rest) ? 'if (hunk__) {' : /^\s*while\b/.test(rest) ? 'do {' : '{');
    lastAtColumnZero = i === 0 || counted[i - 1] === '\n';
  }
  if (isWhole) return { before: '', text: body, after: `\n${'}'.repeat(depth)}`, cut };
  // The last one in the first column ends the function itself.
  if (lastAtColumnZero) openers.pop();
  else depth++;
  const dangling = /^\s*else\b/.test(counted) ? 'if (hunk__);' : '';
  return {
    before: `void hunk__(void) { ${openers.reverse().join(' ')} ${dangling}\n`,
    text: body,
    after: `\n;\n${'}'.repeat(depth)}`,
    cut,
  };
}

/** Reads pieces of C. */
export class CReader {
  readonly #parser: Parser;

  private constructor(parser: Parser) {
    this.#parser = parser;
  }

  static async create(): Promise<CReader> {
    return new CReader(await cParser());
  }

  /**
   * The steps of a piece of a function.
   *
   * @param lines as in the file; they may start and end anywhere in the function
   * @param hasHead the function's own head is among them
   */
  functionPiece(lines: readonly string[], hasHead: boolean): CPiece {
    const text = plainC(withoutComments(lines.join('\n')));
    const { before, text: body, after, cut } = balanced(text, hasHead);
    const skipped = before.split('\n').length - 1;
    const walker = new CWalker((row) => row - skipped + 1, lines.length);
    walker.run(this.#parse(before + body + after));
    return { atoms: walker.atoms, unread: cut };
  }

  /**
   * The declarations of a piece of a file outside functions: struct fields, file-scope data, constants.
   *
   * @param struct the struct that the piece starts in, null for none
   */
  filePiece(lines: readonly string[], struct: string | null): CPiece {
    const text = plainC(withoutComments(lines.join('\n')));
    const before = struct === null ? '' : `struct ${struct} {\n`;
    const counted = withoutStrings(text);
    const open = counted.split('{').length + (struct === null ? 0 : 1) - counted.split('}').length;
    const after = open > 0 ? `\n${'}'.repeat(open)};` : '';
    const skipped = before === '' ? 0 : 1;
    const walker = new CWalker((row) => row - skipped + 1, lines.length);
    walker.file(this.#parse(before + text + after));
    return { atoms: walker.atoms, unread: [] };
  }

  #parse(text: string): Node {
    const tree = this.#parser.parse(text);
    if (tree === null) throw new Error('the C parser gave up');
    return tree.rootNode;
  }
}

/** Nodes without the unnamed and the comments. */
function children(node: Node): Node[] {
  return node.namedChildren.filter((child): child is Node => child !== null && child.type !== 'comment');
}

/** The name that a declarator declares. */
function declared(node: Node | null): string {
  let at = node;
  while (at !== null && !/identifier$/.test(at.type)) {
    at =
      at.childForFieldName('declarator') ??
      children(at).find((child) => /declarator$|identifier$/.test(child.type)) ??
      null;
  }
  return at?.text ?? '';
}

class CWalker {
  readonly atoms: Atom[] = [];
  readonly #lineOf: (row: number) => number;
  readonly #count: number;

  constructor(lineOf: (row: number) => number, count: number) {
    this.#lineOf = lineOf;
    this.#count = count;
  }

  run(root: Node): void {
    for (const child of children(root)) {
      if (child.type === 'function_definition') this.#function(child);
      else this.#statement(child);
    }
  }

  #emit(kind: AtomKind, name: string, words: Words, extra: Partial<Atom> = {}): void {
    const lines = words.lines.map(this.#lineOf).filter((line) => line >= 1 && line <= this.#count);
    if (lines.length === 0) return;
    this.atoms.push({ kind, name, words: words.sorted(), lines, ...extra });
  }

  #at(node: Node): Words {
    const words = new Words();
    words.at(node.startPosition.row);
    return words;
  }

  #function(node: Node): void {
    let declarator = node.childForFieldName('declarator');
    const pointer = declarator?.type === 'pointer_declarator';
    while (declarator !== null && declarator.type !== 'function_declarator')
      declarator = declarator.childForFieldName('declarator');
    const name = declared(declarator);
    if (name !== 'hunk__' && declarator !== null) {
      const words = new Words();
      const type = node.childForFieldName('type');
      for (let row = node.startPosition.row; row <= declarator.endPosition.row; row++) words.at(row);
      const result = pointer
        ? 'value'
        : type?.text === 'void'
          ? 'void'
          : type?.text === 'bool'
            ? 'bool'
            : 'value';
      const parameters = children(declarator.childForFieldName('parameters') ?? declarator)
        .map((parameter) => declared(parameter.childForFieldName('declarator')))
        .filter((parameter) => parameter !== '');
      const lines = words.lines.map(this.#lineOf).filter((line) => line >= 1 && line <= this.#count);
      // In order: these are not sorted.
      this.atoms.push({ kind: 'function', name, words: [result, ...parameters], lines });
    }
    const body = node.childForFieldName('body');
    if (body !== null) this.#statement(body);
  }

  #body(node: Node | null): void {
    if (node !== null) this.#statement(node);
  }

  #end(node: Node): void {
    const words = new Words();
    words.at(node.endPosition.row);
    this.#emit('end', '', words);
  }

  #condition(kind: AtomKind, node: Node, condition: Node | null): void {
    const words = this.#at(node);
    if (condition !== null) this.#expression(condition, words);
    this.#emit(kind, '', words);
  }

  #statement(node: Node): void {
    switch (node.type) {
      case 'declaration':
        for (const child of children(node)) if (child.type === 'init_declarator') this.#initializer(child);
        return;
      case 'if_statement': {
        this.#condition('if', node, node.childForFieldName('condition'));
        this.#body(node.childForFieldName('consequence'));
        const alternative = node.childForFieldName('alternative');
        if (alternative !== null) {
          this.#emit('else', '', this.#at(alternative));
          const inner = children(alternative)[0];
          if (inner !== undefined) this.#statement(inner);
          // The end of a chain is that of its last if.
          if (inner?.type === 'if_statement') return;
        }
        this.#end(node);
        return;
      }
      case 'while_statement':
      case 'do_statement': {
        const condition = node.childForFieldName('condition');
        const inner = condition?.namedChild(0) ?? null;
        if (
          inner?.type === 'call_expression' &&
          isLoopMacro(inner.childForFieldName('function')?.text ?? '')
        ) {
          const args = children(inner.childForFieldName('arguments') ?? inner);
          const words = this.#at(node);
          // pos, [n,] head, member
          const head = args.at(-2);
          if (head !== undefined) this.#expression(head, words);
          this.#emit('loop', inner.childForFieldName('function')?.text ?? '', words);
        } else {
          this.#condition('loop', node, condition);
        }
        this.#body(node.childForFieldName('body'));
        this.#end(node);
        return;
      }
      case 'for_statement': {
        const initializer = node.childForFieldName('initializer');
        if (initializer !== null) {
          if (initializer.type === 'declaration') this.#statement(initializer);
          else this.#expression(initializer, this.#at(initializer));
        }
        this.#condition('loop', node, node.childForFieldName('condition'));
        this.#body(node.childForFieldName('body'));
        const update = node.childForFieldName('update');
        if (update !== null) this.#expression(update, this.#at(update));
        this.#end(node);
        return;
      }
      case 'switch_statement':
        this.#condition('switch', node, node.childForFieldName('condition'));
        this.#body(node.childForFieldName('body'));
        this.#end(node);
        return;
      case 'case_statement': {
        const value = node.childForFieldName('value');
        const words = this.#at(node);
        const named = new Words();
        if (value !== null) this.#expression(value, named);
        this.#emit('case', value === null ? 'default' : named.list.join(' '), words);
        for (const child of children(node)) if (child.id !== value?.id) this.#statement(child);
        return;
      }
      case 'return_statement': {
        const words = this.#at(node);
        for (const child of children(node)) this.#expression(child, words);
        this.#emit('return', '', words);
        return;
      }
      case 'goto_statement':
        this.#emit('goto', node.childForFieldName('label')?.text ?? '', this.#at(node));
        return;
      case 'break_statement':
        this.#emit('break', '', this.#at(node));
        return;
      case 'continue_statement':
        this.#emit('continue', '', this.#at(node));
        return;
      case 'labeled_statement':
      case 'compound_statement':
      case 'expression_statement':
      case 'else_clause':
      case 'ERROR':
        for (const child of children(node)) {
          if (/_statement$|^declaration$|^ERROR$/.test(child.type)) this.#statement(child);
          else if (child.type !== 'statement_identifier') this.#expression(child, this.#at(child));
        }
        return;
      default:
        if (/expression$|^identifier$/.test(node.type)) this.#expression(node, this.#at(node));
        else for (const child of children(node)) this.#statement(child);
    }
  }

  #initializer(node: Node): void {
    const value = node.childForFieldName('value');
    const words = this.#at(node);
    if (value !== null) this.#expression(value, words);
    if (value?.type === 'initializer_list' && words.list.every((word) => word === '0')) words.list.length = 0;
    const constant = value !== null && /^(?:number_literal|null|true|false)$/.test(value.type);
    this.#emit('set', declared(node.childForFieldName('declarator')), words, {
      initial: constant ? 'constant' : 'other',
    });
  }

  /** The last name of a path is what is assigned; the indices on the way are words. */
  #target(node: Node, words: Words): string {
    switch (node.type) {
      case 'field_expression': {
        const argument = node.childForFieldName('argument');
        if (argument !== null) this.#expression(argument, new Words());
        return node.childForFieldName('field')?.text ?? '';
      }
      case 'subscript_expression': {
        const index = node.childForFieldName('index');
        if (index !== null) this.#expression(index, words);
        return this.#target(node.childForFieldName('argument') ?? node, words);
      }
      case 'pointer_expression':
        return this.#target(node.childForFieldName('argument') ?? node, words);
      case 'parenthesized_expression':
      case 'cast_expression': {
        const inner = node.childForFieldName('value') ?? children(node)[0];
        return inner === undefined ? '' : this.#target(inner, words);
      }
      default:
        return node.text;
    }
  }

  #expression(node: Node, words: Words): void {
    const field = (name: string): Node | null => node.childForFieldName(name);
    const visit = (child: Node | null): void => {
      if (child !== null) this.#expression(child, words);
    };
    if (!/^parenthesized|^argument_list/.test(node.type)) words.at(node.startPosition.row);
    switch (node.type) {
      case 'identifier':
      case 'field_identifier':
        if (node.text !== '__func__') words.add(node.text);
        return;
      case 'null':
        words.add('null');
        return;
      case 'true':
      case 'false':
        words.add(node.text);
        return;
      case 'number_literal':
        words.add(numberWord(node.text));
        return;
      case 'string_literal':
      case 'concatenated_string':
      case 'sizeof_expression':
      case 'offsetof_expression':
      case 'type_descriptor':
        return;
      case 'field_expression': {
        const argument = field('argument');
        if (argument !== null) this.#expression(argument, new Words());
        const name = field('field');
        words.add(name?.text ?? '');
        if (name !== null) words.at(name.startPosition.row);
        return;
      }
      case 'cast_expression':
        visit(field('value'));
        return;
      case 'unary_expression': {
        const operator = field('operator')?.text ?? '';
        const argument = field('argument');
        if (operator === '-' && argument !== null && /^(?:identifier|number_literal)$/.test(argument.type)) {
          words.add(`-${argument.type === 'identifier' ? argument.text : numberWord(argument.text)}`);
          return;
        }
        if (operator === '!' && argument?.type === 'unary_expression' && argument.text.startsWith('!')) {
          visit(argument.childForFieldName('argument'));
          return;
        }
        words.add(operator);
        visit(argument);
        return;
      }
      case 'binary_expression': {
        const operator = operatorWord(field('operator')?.text ?? '');
        const right = field('right');
        visit(field('left'));
        if ((operator === '==' || operator === '!=') && /^(?:0|NULL)$/.test(right?.text ?? '')) {
          if (operator === '==') words.add('!');
          return;
        }
        words.add(operator);
        visit(right);
        return;
      }
      case 'conditional_expression':
        visit(field('condition'));
        words.add('?');
        visit(field('consequence'));
        visit(field('alternative'));
        return;
      case 'assignment_expression': {
        const own = this.#at(node);
        const operator = field('operator')?.text ?? '=';
        const left = field('left');
        const name = left === null ? '' : this.#target(left, own);
        const right = field('right');
        if (right !== null) this.#expression(right, own);
        if (operator !== '=') own.add(operator);
        this.#emit('set', name, own);
        words.add(name);
        return;
      }
      case 'update_expression': {
        const own = this.#at(node);
        const argument = field('argument');
        const name = argument === null ? '' : this.#target(argument, own);
        own.add(node.text.includes('++') ? '++' : '--');
        this.#emit('set', name, own);
        words.add(name);
        return;
      }
      case 'call_expression':
        this.#call(node, words);
        return;
      default:
        for (const child of children(node)) this.#expression(child, words);
    }
  }

  #call(node: Node, words: Words): void {
    let callee = node.childForFieldName('function');
    while (callee !== null && /^(?:parenthesized|pointer)_expression$/.test(callee.type))
      callee = callee.namedChild(0);
    const isMember = callee?.type === 'field_expression';
    const name = (isMember ? callee?.childForFieldName('field')?.text : callee?.text) ?? '';
    const args = children(node.childForFieldName('arguments') ?? node);
    if (isMember) {
      const object = callee?.childForFieldName('argument');
      if (object) this.#expression(object, new Words());
    }
    const role = TYPES.test(name) ? 'arguments' : roleOfCall(name, isMember);
    if (role === 'nothing') return;
    if (role === 'arguments') {
      // container_of(ptr, type, member)
      for (const arg of name === 'container_of' ? args.slice(0, 1) : args) this.#expression(arg, words);
      return;
    }
    const own = this.#at(node);
    // list_first_entry(head, type, member): an element knows what it is part of here.
    for (const arg of /^list_\w*entry/.test(name) ? args.slice(0, 1) : args) this.#expression(arg, own);
    // The macro assigns its second argument; it is the result here.
    if (/irqsave$/.test(name) && args.length > 1) {
      const flags = args.at(-1)?.text ?? '';
      own.list.splice(own.list.lastIndexOf(flags), 1);
      this.#emit('call', name, own);
      this.#emit('set', flags, this.#at(node), { initial: 'other' });
      return;
    }
    this.#emit('call', calledName(name), own);
  }

  /** Declarations outside functions. */
  file(root: Node): void {
    for (const node of children(root)) this.#declaration(node);
  }

  #declaration(node: Node): void {
    switch (node.type) {
      case 'struct_specifier':
      case 'union_specifier': {
        const name = node.childForFieldName('name')?.text ?? '';
        const body = node.childForFieldName('body');
        if (body !== null) this.#fields(name, body);
        return;
      }
      case 'preproc_def': {
        const words = this.#at(node);
        const value = node.childForFieldName('value')?.text.trim() ?? '';
        // A guard of a header has no value.
        if (value === '') return;
        words.list.push(...(value.match(/\w+|<<|[|&~+*-]/g) ?? []).map(numberWord));
        this.#emit('define', node.childForFieldName('name')?.text ?? '', words);
        return;
      }
      case 'enumerator': {
        this.#emit('define', node.childForFieldName('name')?.text ?? '', this.#at(node));
        return;
      }
      case 'init_declarator': {
        const name = declared(node.childForFieldName('declarator'));
        this.#emit('data', name, this.#at(node));
        const value = node.childForFieldName('value');
        for (const id of value?.descendantsOfType('identifier') ?? []) {
          // The name of a macro that makes the initialisers is no function.
          if (id === null || id.parent?.type === 'call_expression') continue;
          this.#emit('ref', `${name}.${id.text}`, this.#at(id));
        }
        return;
      }
      case 'function_definition':
        return;
      default:
        for (const child of children(node)) this.#declaration(child);
    }
  }

  #fields(struct: string, body: Node): void {
    for (const node of children(body)) {
      if (node.type !== 'field_declaration') {
        this.#declaration(node);
        continue;
      }
      for (const child of node.childrenForFieldName('declarator')) {
        if (child !== null) this.#emit('field', `${struct}.${declared(child)}`, this.#at(child));
      }
    }
  }
}
