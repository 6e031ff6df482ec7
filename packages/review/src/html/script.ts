// SPDX-License-Identifier: GPL-2.0-only
// Keys in the browser. A plain script: pages that are opened from the disk cannot load modules.

export const SCRIPT = `'use strict';
(() => {
  const shown = (e) => e.getClientRects().length > 0;
  // The first row of each run of changed rows in a diff is a difference, too.
  for (const table of document.querySelectorAll('.d2h-diff-tbody')) {
    let inside = false;
    for (const row of table.rows) {
      const changed = row.querySelector('.d2h-ins, .d2h-del') !== null;
      if (changed && !inside) row.dataset.diff = '';
      inside = changed;
    }
  }
  let here = null;
  const step = (what, by) => {
    const all = [...document.querySelectorAll(what)].filter(shown);
    if (all.length === 0) return;
    const at = here === null ? -1 : all.indexOf(here);
    let next;
    if (at >= 0) next = all[(at + by + all.length) % all.length];
    else {
      const line = here === null ? 70 : here.getBoundingClientRect().top;
      const after = all.findIndex((e) => e.getBoundingClientRect().top > line + 1);
      next = by > 0 ? all[after < 0 ? 0 : after] : all[(after < 0 ? all.length : after) - 1] || all[all.length - 1];
    }
    if (here !== null) here.classList.remove('here');
    here = next;
    here.classList.add('here');
    const folded = here.closest('details');
    if (folded !== null) folded.open = true;
    here.scrollIntoView({ block: 'center' });
  };
  const help = document.querySelector('dialog');
  const go = (page) => { location.href = page; };
  const keys = {
    n: () => step('[data-diff]', 1), p: () => step('[data-diff]', -1),
    c: () => step('[data-comment]', 1), C: () => step('[data-comment]', -1),
    '?': () => (help.open ? help.close() : help.showModal()),
    o: () => go('index.html'), f: () => go('functions.html'), s: () => go('scenarios.html'),
    i: () => go('interface.html'), r: () => go('comments.html'), l: () => go('claims.html'),
  };
  document.addEventListener('keydown', (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || (e.target instanceof Element && e.target.matches('input, textarea'))) return;
    const act = keys[e.key];
    if (act !== undefined) { act(); e.preventDefault(); }
  });
  document.querySelector('#help').addEventListener('click', () => help.showModal());
})();
`;
