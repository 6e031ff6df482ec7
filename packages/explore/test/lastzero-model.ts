// SPDX-License-Identifier: GPL-2.0-only
// A model for threads, which load it from its file.
import { lastzero } from './classics.ts';

export const model = lastzero(10);
