// SPDX-License-Identifier: GPL-2.0-only
// How the page of a finding looks: light or dark as the reader has it; only the diagram scrolls sideways.

export const STYLE = `
:root{color-scheme:light dark;--fg:#1c2230;--dim:#586174;--bg:#fff;--soft:#f4f6f9;--line:#d3d9e3;--bad:#b3261e;--badbg:#fdecea;--warn:#7a4b00;--warnbg:#fff4d6;--link:#0b57c2;
--l0:#1f5fbf;--l1:#b3541e;--l2:#167a5b;--l3:#7b3fb5;--l4:#a8326e;--l5:#4d6370;--t0:#e8f0fc;--t1:#fbeee4;--t2:#e4f5ee;--t3:#f2e9fb;--t4:#fbe8f1;--t5:#eaeff2;
--b0:#9db8e0;--b1:#86c5b0;--b2:#d9b07a;--b3:#c3a3de;--b4:#dba0b8;--d0:#d5efdf;--hot:#ffe3b0;--cold:#bcd9f7;--sus:#dfe3ea;--mov:#fff0b8}
@media(prefers-color-scheme:dark){:root{--fg:#e6e9ef;--dim:#a3acbc;--bg:#12151b;--soft:#1b2029;--line:#39414f;--bad:#ff9b92;--badbg:#43191a;--warn:#f2c66d;--warnbg:#3a2d10;--link:#8ab4f8;
--l0:#8ab4f8;--l1:#f0a878;--l2:#6fd3ae;--l3:#c9a2f2;--l4:#f09dc2;--l5:#a9bcc8;--t0:#1b2940;--t1:#3a281b;--t2:#173329;--t3:#2d2140;--t4:#3b1f2e;--t5:#26313a;
--b0:#45659a;--b1:#2f7a63;--b2:#8a6a34;--b3:#6f4f8f;--b4:#8a4a64;--d0:#17402a;--hot:#5a3f0c;--cold:#173b63;--sus:#2b313c;--mov:#4d430f}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
main{max-width:1600px;margin:0 auto;padding:20px 24px 40px}h1{font-size:21px;margin:0 0 6px;overflow-wrap:anywhere}h2{font-size:17px;margin:22px 0 6px}h3{font-size:14px;margin:0 0 2px;overflow-wrap:anywhere}
p{margin:6px 0;overflow-wrap:anywhere}.what{border-left:4px solid var(--bad);background:var(--badbg);padding:8px 12px;border-radius:0 6px 6px 0}.what strong{color:var(--bad);margin-right:.4em}
code,pre,table{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:12.5px}code{overflow-wrap:anywhere}
pre{background:var(--soft);border:1px solid var(--line);padding:8px 12px;border-radius:6px;white-space:pre-wrap;overflow-wrap:anywhere;margin:4px 0}
.stacks{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:10px;margin:12px 0;align-items:start}.stacks section{border:1px solid var(--line);border-radius:6px;padding:8px 12px;background:var(--soft);min-width:0}
.stacks ol{margin:4px 0 0;padding:0;list-style:none}.stacks li{margin:3px 0}.stacks li span{color:var(--dim);font-size:12px;display:block;padding-left:1.2em;overflow-wrap:anywhere;line-height:1.35}.stacks p{margin:0;font-size:13px}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:2px 16px;margin:12px 0}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
a{color:var(--link)}.legend{color:var(--dim);font-size:13px}.legend span{display:inline-block;margin-right:1.2em}.legend i{display:inline-block;width:6px;height:14px;margin-right:2px;vertical-align:-2px}.legend b{display:inline-block;min-width:18px;text-align:center;font:11px ui-monospace,monospace;line-height:16px}
.box{overflow:auto;max-height:min(85vh,1100px);border:1px solid var(--line);border-radius:6px;background:var(--bg);scroll-padding-top:120px}.box:focus-visible{outline:2px solid var(--link)}
table{border-collapse:separate;border-spacing:0;line-height:1.35}td,th{padding:0;vertical-align:top;text-align:left;font-weight:400}
thead th{position:sticky;top:0;z-index:2;background:var(--soft);border-bottom:2px solid var(--line);padding:6px 8px;font-weight:700;vertical-align:bottom}thead th.lane{border-bottom-color:currentColor}thead small{font-weight:400;color:var(--dim);white-space:nowrap}
thead th.lock{padding:6px 2px;text-align:center}thead th.lock span{writing-mode:vertical-rl;transform:rotate(180deg);white-space:nowrap;font-weight:400;font-size:11.5px;max-height:190px}
thead th.dev{white-space:nowrap}
tbody th{position:sticky;left:0;z-index:1;background:var(--bg);color:var(--dim);font-size:11px;padding:3px 6px 0;text-align:right;min-width:34px}thead th:first-child{left:0;z-index:3}
td.t{position:relative;width:17.5rem;min-width:17.5rem;border-left:1px solid var(--line);padding:2px 6px;overflow-wrap:anywhere;height:21px}td.in{border-top:1px dashed var(--dim)}
td.t i{position:absolute;top:0;bottom:0;width:6px;opacity:.5}td.t.on i{opacity:1}
i.n0{left:0}i.n1{left:8px}i.n2{left:16px}i.n3{left:24px}i.n4{left:32px}i.n5{left:40px}i.n6{left:48px}i.n7{left:56px}
.p1{padding-left:14px!important}.p2{padding-left:22px!important}.p3{padding-left:30px!important}.p4{padding-left:38px!important}.p5{padding-left:46px!important}.p6{padding-left:54px!important}.p7,.p8{padding-left:62px!important}
.b0{background:var(--b0)}.b1{background:var(--b1)}.b2{background:var(--b2)}.b3{background:var(--b3)}.b4{background:var(--b4)}
th.l0{color:var(--l0)}th.l1{color:var(--l1)}th.l2{color:var(--l2)}th.l3{color:var(--l3)}th.l4{color:var(--l4)}th.l5{color:var(--l5)}
.on.l0{background:var(--t0)}.on.l1{background:var(--t1)}.on.l2{background:var(--t2)}.on.l3{background:var(--t3)}.on.l4{background:var(--t4)}.on.l5{background:var(--t5)}
.k-call{font-weight:700}.k-flag,.k-pci{font-weight:600}.k-user,.k-saw{font-style:italic}.k-preempt{color:var(--warn);font-weight:700}.k-preempt::before{content:'\\2016  '}.k-finding::before{content:'✖ '}.k-finding{color:var(--bad)}
tr.bad td.on{background:var(--badbg);outline:2px solid var(--bad);outline-offset:-2px}tr.bad th{color:var(--bad);font-weight:700}tr.pre td.on{background:var(--warnbg)}
td.d{min-width:62px;padding:2px 6px;font-size:11.5px;white-space:nowrap;border-left:1px solid var(--line)}td.d.new{font-weight:600}
.pD0{background:var(--d0)}.pD3hot{background:var(--hot)}.pD3cold{background:var(--cold)}.ractive{background:var(--d0)}.rsuspended{background:var(--sus)}.rsuspending,.rresuming{background:var(--mov)}.e1{background:var(--mov)}
td.k{min-width:26px;width:26px;text-align:center;font-size:11px;font-weight:700;color:var(--bg);border-left:1px solid var(--line);padding:2px 0}
.h0{background:var(--l0)}.h1{background:var(--l1)}.h2{background:var(--l2)}.h3{background:var(--l3)}.h4{background:var(--l4)}.h5{background:var(--l5)}.legend .h0{color:var(--bg)}
td.k.w,.legend .w{background-image:repeating-linear-gradient(45deg,transparent 0 3px,var(--warnbg) 3px 6px)}td.k.hx,.legend .w{color:var(--warn);border:1px solid var(--line)}
tbody.fold td{background:var(--soft);color:var(--dim);padding:2px 8px 2px 40px;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}tbody.fold label{cursor:pointer;position:sticky;left:44px}tbody.fold input{position:sticky;left:24px;margin:0 6px 0 0;vertical-align:-2px}
tbody.more{display:none}tbody.fold:has(input:checked)+tbody.more{display:table-row-group}
.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
@media(max-width:640px){main{padding:12px 12px 28px}dl{grid-template-columns:minmax(0,1fr)}dt{margin-top:6px}td.t{width:13.5rem;min-width:13.5rem}.box{max-height:78vh}}
@media print{.box{max-height:none;overflow:visible}}`;
