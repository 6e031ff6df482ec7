// SPDX-License-Identifier: GPL-2.0-only

/** Where an access was made: the C function, and the place in our sources, '' when the engine cannot say. */
export interface Site {
  fn: string;
  at: string;
}

const NOWHERE: Site = Object.freeze({ fn: '', at: '' });
const FRAME = /^\s*at (?:async )?(?:(?<fn>[^(]+?) (?:\[as [^\]]+\] )?\()?(?:file:\/\/)?(?<at>[^()]*)\)?$/;
/** Frames that stand between the accessor and the function: they name no place in the kernel. */
const BETWEEN = /^(?:get |set |READ_ONCE$|WRITE_ONCE$)/;

/** What a stack says that was kept at an access to a field. */
export function siteOf(stack: string | undefined): Site {
  if (stack === undefined) return NOWHERE;
  let nameless: Site | null = null;
  for (const line of stack.split('\n')) {
    const groups = FRAME.exec(line)?.groups;
    if (groups === undefined) continue;
    const name = (groups.fn ?? '').trim();
    const fn = name.slice(name.lastIndexOf('.') + 1);
    const site = { fn, at: groups.at.replace(/^.*\/(?=packages\/)/, '') };
    if (BETWEEN.test(name) || /\/locking\/src\/(?:race\/|atomic)/.test(groups.at)) continue;
    if (fn !== '' && fn !== '<anonymous>') return site;
    nameless ??= site;
  }
  return nameless ?? NOWHERE;
}
