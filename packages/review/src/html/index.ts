// SPDX-License-Identifier: GPL-2.0-only
export { comparisonPages, reviewPages } from './pages.ts';
