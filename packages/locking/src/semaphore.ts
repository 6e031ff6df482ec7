// SPDX-License-Identifier: GPL-2.0-only
import { scratch } from '@vfio-lab/sim';
import { Semaphore } from 'async-mutex';

// The gates of the locks let in only who can have it, so that nobody ever queues and nothing but the value changes.
scratch(Semaphore, ['_cancelError', '_queue', '_weightedWaiters']);

export { Semaphore };
