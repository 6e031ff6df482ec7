// SPDX-License-Identifier: GPL-2.0-only
import { type Checkpoint, type Finding, Fingerprint } from '@vfio-lab/sim';
import type { KnownFinding } from '@vfio-lab/testbed';

/** What came of the part of a run that follows its programs. */
export interface End {
  /** It came to its end. */
  ended: boolean;
  outcome: string;
  end: string;
  inspected: string[];
  /** What this part added. */
  findings: Finding[];
  known: KnownFinding[];
  log: string[];
  duration: number;
}

/** A state that is known is run on from all the same every so many times, and what comes must be what is known. */
const CHECK = 64;

/** How runs end, by the state of the machine when their programs had ended and nothing went on any more. */
export class Ends {
  private readonly checkpoint: Checkpoint;
  private readonly fingerprint: Fingerprint;
  private readonly known = new Map<string, End>();
  private hits = 0;

  constructor(checkpoint: Checkpoint) {
    this.checkpoint = checkpoint;
    this.fingerprint = new Fingerprint(checkpoint);
  }

  /** A name for the state that the machine is in. */
  state(): string {
    return this.fingerprint.take();
  }

  /** How a run ends from a state; undefined: it has to be run. */
  find(state: string): End | undefined {
    const end = this.known.get(state);
    if (end === undefined || ++this.hits % CHECK === 0) return undefined;
    return end;
  }

  /** This came of a state. Another thing than the last time is a finding. */
  add(state: string, end: End): void {
    const was = this.known.get(state);
    if (was === undefined) {
      this.known.set(state, end);
      return;
    }
    this.checkpoint.verify();
    const [before, now] = [textOf(was), textOf(end)];
    if (before === now) return;
    end.findings.push({
      kind: 'nondeterminism',
      text: `after the programs: ${now} from a state that came to ${before}`,
      task: '',
      fns: [],
      held: [],
      at: end.duration,
      detail: {},
    });
  }
}

function textOf({ outcome, end, inspected, findings, ended }: End): string {
  // Their texts may name what was learned first, which is no state.
  const found = findings.map((f) => f.kind);
  return [outcome, end, ...inspected, ...found, ended ? 'an end' : 'no end'].join(' | ');
}
