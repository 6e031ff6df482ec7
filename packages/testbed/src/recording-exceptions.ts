// SPDX-License-Identifier: GPL-2.0-only
import { basename } from 'node:path';
import { isSharedBoot, type ReplayRequest } from './replay-index.ts';

/** A line of a recording that the revision answers differently, because the recording kernel has a later fix. */
export interface RecordingException {
  script: string;
  /** Machines that the script was recorded on; left out: all. */
  machines?: readonly string[];
  lines: readonly number[];
  /** The fix, and what it changes. */
  reason: string;
}

const GROUP_GOES =
  'Since v6.1 a group leaves with its last device, even while its file is open: the node in /dev/vfio goes, and ' +
  'ioctls of the file say ENODEV.';

/**
 * What 6.1.192 answers differently from the revision that it carries. Recordings made with the modules of a revision
 * have no exceptions. An entry that no recording needs any more has to go.
 */
export const RECORDING_EXCEPTIONS: readonly RecordingException[] = [
  {
    script: '011_group',
    lines: [22],
    reason:
      'v6.1 moved SET_CONTAINER to a function of its own, without the check for a negative descriptor: EBADF.',
  },
  { script: '011_group', lines: [103, 104], reason: GROUP_GOES },
  { script: '068_err_req', lines: [51], reason: GROUP_GOES },
  { script: '069_unbind_noreq', lines: [18], reason: GROUP_GOES },
  { script: '087_host_pm_ops', lines: [43, 44], reason: GROUP_GOES },
  {
    script: '092_sriov_vf_token',
    machines: ['machineA'],
    lines: [72],
    reason:
      'Later a virtual function is in a device set of its own, so a hot reset of the slot that it shares with its ' +
      'physical function would reset a device that is not in the set: EINVAL before the reset is tried.',
  },
];

/** The lines of a recording that may differ. */
export function exceptedLines(request: ReplayRequest): number[] {
  if (isSharedBoot(request)) return [];
  const [script, machine] = basename(request.against, '.jsonl').split('.');
  return RECORDING_EXCEPTIONS.filter(
    (e) => e.script === script && (e.machines?.includes(machine) ?? true),
  ).flatMap((e) => e.lines);
}
