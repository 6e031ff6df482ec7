// SPDX-License-Identifier: GPL-2.0-only
// What all pages have: head, links to each other, the keys.

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as HTML. */
export function esc(text: string): string {
  return text.replace(/[&<>"']/g, (c) => ESCAPES[c] ?? c);
}

/** A name as an id and file name. */
export function slug(name: string): string {
  return name.replace(/[^\w-]+/g, '-');
}

const PAGES: readonly (readonly [string, string])[] = [
  ['index.html', 'Overview'],
  ['functions.html', 'Functions'],
  ['scenarios.html', 'Scenarios'],
  ['interface.html', 'Interface'],
  ['comments.html', 'Comments'],
  ['claims.html', 'Claims'],
];

const KEYS: readonly (readonly [string, string])[] = [
  ['n', 'next difference'],
  ['p', 'previous difference'],
  ['c', 'next comment (C: previous)'],
  ['o', 'overview'],
  ['f', 'functions'],
  ['s', 'scenarios'],
  ['i', 'interface, return codes, lock order'],
  ['r', 'comments of the review'],
  ['l', 'claims'],
  ['?', 'this help'],
];

/** A whole page. `file` is its own name, `about` what all pages are about. */
export function page(file: string, about: string, title: string, body: string): string {
  const links = PAGES.map(
    ([f, name]) => `<a href="${f}"${f === file ? ' aria-current="page"' : ''}>${name}</a>`,
  );
  const keys = KEYS.map(([key, what]) => `<tr><td><kbd>${key}</kbd></td><td>${what}</td></tr>`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${esc(title)} - ${esc(about)}</title>
<link rel="stylesheet" href="diff2html.css"><link rel="stylesheet" href="style.css"></head>
<body><header><strong>${esc(about)}</strong>${links.join(' ')} <a id="help" href="#help" title="keys">?</a></header>
<main><h1>${esc(title)}</h1>
${body}
</main><dialog><h2>Keys</h2><table>${keys.join('')}</table><form method="dialog"><button>close</button></form></dialog>
<script src="keys.js"></script></body></html>
`;
}

/** A table whose rows become blocks on a narrow screen. Cells are HTML. */
export function listTable(
  heads: readonly string[],
  rows: readonly (readonly string[])[],
  attributes: readonly string[] = [],
): string {
  const head = heads.map((h) => `<th>${esc(h)}</th>`).join('');
  const short = (c: string): boolean => c.length <= 6;
  const body = rows.map((r, n) => {
    const cells = r.map(
      (c, i) =>
        `<td${short(c) ? ' class="short"' : ''}${heads[i] === '' || heads[i] === undefined ? '' : ` data-l="${esc(heads[i])}"`}>${c}</td>`,
    );
    return `<tr ${attributes[n] ?? ''}>${cells.join('')}</tr>`;
  });
  return `<div class="scroll"><table class="list stack"><thead><tr>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table></div>`;
}

export function tag(text: string, kind: '' | 'good' | 'bad' | 'warn' = ''): string {
  return `<span class="tag ${kind}">${esc(text)}</span>`;
}
