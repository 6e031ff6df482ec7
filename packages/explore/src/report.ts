// SPDX-License-Identifier: GPL-2.0-only
/*
 * A run as a sequence diagram: one lane a task, locks and device state beside it. As text for a terminal, and as one
 * HTML file, which needs nothing from elsewhere.
 */
export * from './story.ts';
export { textDiagram, textFinding } from './diagram-text.ts';
export { htmlPage } from './diagram-html.ts';
