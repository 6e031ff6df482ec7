// SPDX-License-Identifier: GPL-2.0-only
/* What a statement does that is worth leaving out: takes or drops a lock, moves a count, sets a flag, masks. */

import ts from 'typescript';

/** `assert`: says what must hold, and does nothing when it does. */
export type Deed = 'lock' | 'count' | 'flag' | 'mask' | 'assert';

const CALLS: readonly (readonly [Deed, RegExp])[] = [
  ['assert', /^(?:lockdep_assert_\w+|device_lock_assert|WARN_ON)$/],
  [
    'lock',
    /^(?:mutex_(?:lock|unlock|trylock)|(?:down|up)_(?:read|write)(?:_trylock)?|spin_(?:try)?(?:un)?lock\w*)$/,
  ],
  ['lock', /^(?:mmap_read_(?:try|un)?lock|(?:pci_dev|device)_(?:try|un)?lock)$/],
  ['lock', /^(?:vfio_pci_zap_and_\w+|vfio_pci_memory_(?:lock_and_enable|unlock_and_restore))$/],
  [
    'count',
    /^(?:\w*pm_runtime_(?:get|put|resume|idle|forbid|allow)\w*|(?:__)?vfio_pci_runtime_pm_(?:entry|exit))$/,
  ],
  ['count', /^(?:eventfd_ctx_(?:put|fdget)|fget|fput|mmget_not_zero|mmput|iommu_group_(?:get|put))$/],
  ['mask', /^(?:pci_intx|pci_check_and_(?:un)?mask_intx|(?:dis|en)able_irq\w*)$/],
  ['mask', /^(?:vfio_pci_intx_(?:un)?mask(?:_handler)?|vfio_intx_(?:en|dis)able)$/],
];

/** Struct fields (and module parameters) that say in which state a device is. */
const FLAGS: ReadonlySet<string> = new Set([
  'pm_intx_masked',
  'pm_runtime_engaged',
  'pm_runtime_resumed',
  'pm_runtime_reentry_allowed',
  'pm_wake_eventfd_ctx',
  'pme_trigger',
  'err_trigger',
  'req_trigger',
  'trigger',
  'masked',
  'virq_disabled',
  'irq_type',
  'pci_2_3',
  'nointx',
  'nointxmask',
  'needs_reset',
  'needs_pm_restore',
  'reset_works',
  'bardirty',
  'open_count',
  'users',
  'current_state',
  'disable_idle_d3',
]);

/** Bits of registers that mask, or tell of a wake. */
const BITS = /\b(?:PCI_COMMAND_INTX_DISABLE|PCI_PM_CTRL_PME_(?:STATUS|ENABLE))\b/;

/** Helpers that ask for a flag. */
const ASKS: ReadonlySet<string> = new Set([
  'is_intx',
  'is_irq_none',
  'irq_is',
  '__vfio_pci_memory_enabled',
  'vfio_pci_dev_set_needs_reset',
  'vfio_pci_nointx',
]);

/** Calls without an effect that anybody else can see. */
export const PURE: ReadonlySet<string> = new Set([
  'container_of',
  'dev_get_drvdata',
  'field_ref',
  'le16_at',
  'le32_at',
  'u8_at',
  's32_array',
  'ref',
  'offsetofend',
  'sizeof',
  'le16_to_cpu',
  'le32_to_cpu',
  'cpu_to_le16',
  'cpu_to_le32',
  'list_first_entry',
  'pci_name',
  'is_intx',
  'is_irq_none',
  'irq_is',
  'VFIO_PCI_OFFSET_TO_INDEX',
  'String',
]);

/** The name that a call goes by: of a kernel function, or of a function of the driver called through `this`. */
export function calleeName(call: ts.CallExpression): string {
  const { expression } = call;
  if (ts.isIdentifier(expression)) return expression.text;
  return ts.isPropertyAccessExpression(expression) ? expression.name.text : '';
}

/** Every node below and including `node`, but for what other functions in it do. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  if (ts.isFunctionLike(node)) return;
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** The calls in a node, outermost first. */
export function callsIn(node: ts.Node): ts.CallExpression[] {
  const calls: ts.CallExpression[] = [];
  walk(node, (n) => {
    if (ts.isCallExpression(n)) calls.push(n);
  });
  return calls;
}

/** What a call does; null: nothing of interest. */
export function deedOfCall(call: ts.CallExpression): Deed | null {
  const name = calleeName(call);
  for (const [deed, pattern] of CALLS) if (pattern.test(name)) return deed;
  if (/^pci_(?:user_)?write_config_/.test(name) && BITS.test(call.getText())) return 'mask';
  return null;
}

/** Local variables of a function that start as true or false: its own flags. */
export function localFlags(fn: ts.FunctionDeclaration): ReadonlySet<string> {
  const flags = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name)) {
      const kind = node.initializer?.kind;
      if (kind === ts.SyntaxKind.TrueKeyword || kind === ts.SyntaxKind.FalseKeyword)
        flags.add(node.name.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(fn);
  return flags;
}

/** Is it `a = b`, `a |= b`, ...? */
export function isAssignment(node: ts.Node): node is ts.BinaryExpression {
  return (
    ts.isBinaryExpression(node) &&
    node.operatorToken.kind >= ts.SyntaxKind.FirstAssignment &&
    node.operatorToken.kind <= ts.SyntaxKind.LastAssignment
  );
}

/** What is assigned to in an expression: targets of =, |=, ++ and so on. */
export function targetsIn(node: ts.Node): ts.Expression[] {
  const targets: ts.Expression[] = [];
  walk(node, (n) => {
    if (isAssignment(n)) targets.push(n.left);
    if (
      (ts.isPrefixUnaryExpression(n) || ts.isPostfixUnaryExpression(n)) &&
      (n.operator === ts.SyntaxKind.PlusPlusToken || n.operator === ts.SyntaxKind.MinusMinusToken)
    )
      targets.push(n.operand);
  });
  return targets;
}

/** Does an expression read a flag, a local flag, or one of the bits? */
export function asksFlag(node: ts.Node, locals: ReadonlySet<string>): boolean {
  let found = false;
  walk(node, (n) => {
    if (ts.isPropertyAccessExpression(n) && FLAGS.has(n.name.text)) found = true;
    if (ts.isIdentifier(n) && (locals.has(n.text) || BITS.test(n.text))) {
      const { parent } = n;
      if (!(ts.isPropertyAccessExpression(parent) && parent.name === n)) found = true;
    }
    if (ts.isCallExpression(n) && ASKS.has(calleeName(n))) found = true;
  });
  return found;
}

/** Does an expression assign to a flag? */
export function setsFlag(node: ts.Node, locals: ReadonlySet<string>): boolean {
  return targetsIn(node).some((target) => {
    if (ts.isIdentifier(target)) return locals.has(target.text);
    if (!ts.isPropertyAccessExpression(target)) return false;
    if (FLAGS.has(target.name.text)) return true;
    // a register behind a Ref
    return target.name.text === 'v' && BITS.test(target.parent.getText());
  });
}

/** What a statement does by itself, without the statements in it; null: nothing of interest. */
export function deedOf(statement: ts.Statement, locals: ReadonlySet<string>): Deed | null {
  if (!ts.isExpressionStatement(statement) && !ts.isVariableStatement(statement)) return null;
  for (const call of callsIn(statement)) {
    const deed = deedOfCall(call);
    if (deed !== null) return deed;
  }
  return ts.isExpressionStatement(statement) && setsFlag(statement, locals) ? 'flag' : null;
}
