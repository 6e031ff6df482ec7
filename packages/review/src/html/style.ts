// SPDX-License-Identifier: GPL-2.0-only
// How the pages look: one column that fits a telephone, light or dark as the reader has it.

export const STYLE = `
:root { color-scheme: light dark; --bg: #fff; --fg: #1f2328; --dim: #59636e; --line: #d1d9e0; --soft: #f6f8fa;
  --link: #0550ae; --del: #ffebe9; --delfg: #a40e26; --ins: #dafbe1; --insfg: #116329; --warn: #fff8c5; --warnfg: #7d4e00; }
@media (prefers-color-scheme: dark) { :root { --bg: #0d1117; --fg: #e6edf3; --dim: #9198a1; --line: #3d444d;
  --soft: #161b22; --link: #79b8ff; --del: #3c1618; --delfg: #ffa198; --ins: #12301b; --insfg: #7ee787; --warn: #322a10;
  --warnfg: #e3b341; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 4rem; }
body { margin: 0; background: var(--bg); color: var(--fg); font: 15px/1.5 system-ui, sans-serif; }
a { color: var(--link); text-decoration: none; } a:hover { text-decoration: underline; }
code, pre, .mono { font-family: ui-monospace, 'DejaVu Sans Mono', monospace; font-size: 12.5px; }
code { overflow-wrap: anywhere; }
header { position: sticky; top: 0; z-index: 9; background: var(--soft); border-bottom: 1px solid var(--line); padding: .4rem 1rem;
  display: flex; flex-wrap: wrap; gap: .1rem 1rem; align-items: baseline; }
header strong { margin-right: auto; } header a[aria-current] { color: var(--fg); font-weight: 600; }
main { max-width: 1400px; margin: 0 auto; padding: 0 1rem 4rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
h2 code { font-size: 1rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; overflow-wrap: anywhere; }
.dim { color: var(--dim); } ul { padding-left: 1.2rem; }
.scroll { overflow-x: auto; } table.list { border-collapse: collapse; width: 100%; }
table.list th { text-align: left; white-space: nowrap; } table.list th, table.list td { padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: break-word; } table.list td:first-child, td.short { white-space: nowrap; }
.half { width: 36%; }
.tag { display: inline-block; border-radius: 4px; padding: 0 .4em; font-size: 12.5px; white-space: nowrap; background: var(--soft); border: 1px solid var(--line); }
.tag.bad { background: var(--del); color: var(--delfg); } .tag.good { background: var(--ins); color: var(--insfg); }
.tag.warn { background: var(--warn); color: var(--warnfg); }
.card { border: 1px solid var(--line); border-left: 4px solid var(--link); border-radius: 4px; background: var(--soft); padding: .5rem .8rem;
  margin: .6rem 0; } .card p { margin: .3rem 0; white-space: pre-line; overflow-wrap: anywhere; }
.card blockquote { margin: .3rem 0; color: var(--dim); overflow-wrap: anywhere; }
pre.change { background: var(--soft); border: 1px solid var(--line); border-radius: 4px; padding: .5rem; overflow-x: auto; margin: .4rem 0; }
.del { background: var(--del); } .ins { background: var(--ins); } pre .del, pre .ins { display: block; min-width: max-content; }
pre mark { background: none; color: inherit; font-weight: 700; text-decoration: underline; }
.two { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: .6rem; }
.narrow { display: none; } svg text { font: 11.5px ui-monospace, 'DejaVu Sans Mono', monospace; fill: var(--fg); }
svg .head { font-weight: 700; } svg .rail { stroke: var(--line); } svg .row-del { fill: var(--del); } svg .row-ins { fill: var(--ins); }
svg .first { stroke: var(--delfg); stroke-dasharray: 4 3; } svg .small { fill: var(--dim); }
.k-lock { fill: #8250df; } .k-pm { fill: #0969da; } .k-pci { fill: #1a7f37; } .k-irq { fill: #bc4c00; } .k-finding { fill: #cf222e; }
.k-user { fill: #bf8700; } .k-saw { fill: #bf3989; } .k-flag { fill: #1b7c83; } .k-eventfd { fill: #e16f24; } .k-other { fill: #59636e; }
.legend span { margin-right: 1em; white-space: nowrap; } .legend svg { vertical-align: -1px; }
.here { outline: 3px solid var(--link); outline-offset: 2px; } tr.here { outline-offset: -2px; }
dialog { border: 1px solid var(--line); border-radius: 6px; background: var(--bg); color: var(--fg); max-width: 92vw; }
kbd { border: 1px solid var(--line); border-radius: 3px; padding: 0 .35em; background: var(--soft); font-family: ui-monospace, monospace; }
.d2h-file-header { display: none; } .d2h-file-wrapper { margin: .4rem 0; }
.d2h-code-wrapper, .d2h-file-side-diff { overflow-x: auto; } .d2h-diff-table { font-size: 12px; }
@media (max-width: 860px) { .two { grid-template-columns: minmax(0, 1fr); } .wide { display: none; } .narrow { display: block; }
  main { padding: 0 .6rem 3rem; } table.stack thead { display: none; } table.stack tr { display: block; border-bottom: 1px solid var(--line); padding: .3rem 0; }
  table.stack td { display: block; width: auto; border: 0; overflow-wrap: anywhere; padding: .1rem 0; white-space: normal; }
  table.stack td[data-l]::before { content: attr(data-l) ': '; color: var(--dim); } }
`;
