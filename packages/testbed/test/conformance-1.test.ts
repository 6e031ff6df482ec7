// SPDX-License-Identifier: GPL-2.0-only
import { conformance } from './conformance.ts';

conformance(0);
