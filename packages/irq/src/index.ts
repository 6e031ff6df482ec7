// SPDX-License-Identifier: GPL-2.0-only
export * from './types.ts';
export {
  all_irq_descs,
  irq_desc_state,
  irq_set_affinity,
  irq_set_status_flags,
  type irq_state,
  irq_to_desc,
  NR_LEGACY_GSI,
} from './irqdesc.ts';
export {
  handle_edge_irq,
  handle_fasteoi_irq,
  handle_level_irq,
  irq_activate,
  irq_deactivate,
} from './chip.ts';
export * from './manage.ts';
export { irqfixup_setup, POLL_SPURIOUS_IRQ_INTERVAL, SPURIOUS_LIMIT, SPURIOUS_WINDOW } from './spurious.ts';
export * from './apic.ts';
export * from './irqbypass.ts';
