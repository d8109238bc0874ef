// The look of report.html.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace peryton {

// Colours are told apart by people with colour-vision deficiencies; the page follows the reader's
// choice of light or dark.
inline constexpr const char* kReportStyle = R"css(
:root{--page:#fff;--soft:#f5f6f8;--text:#1b1f24;--quiet:#5c6670;--line:#dfe3e8;--heat:#0b5fa5;
--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#aa4499;--c4:#56a5d9;--c5:#b8860b;--c6:#7a5c3e;--c7:#666;
--good:#0a7d4f;--tie:#8a6100;--bad:#b3361b}
@media (prefers-color-scheme:dark){:root{--page:#14171b;--soft:#1d2228;--text:#e6e9ec;--quiet:#9aa5b0;
--line:#333b44;--heat:#4ea3e0;--c0:#4ea3e0;--c1:#f08a3c;--c2:#35c49a;--c3:#d77fc4;--c4:#8cc8f0;--c5:#e0b23f;
--c6:#c49a72;--c7:#aaa;--good:#4cc38a;--tie:#e0b23f;--bad:#f0745a}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:1000px;margin:0 auto;padding:36px 24px 72px}
h1{font-size:15px;font-weight:600;color:var(--quiet);margin:0 0 6px}
h2{font-size:20px;margin:44px 0 10px}
.headline{font-size:26px;line-height:1.3;font-weight:650;margin:0 0 16px;text-wrap:pretty}
.verdict{border-left:6px solid var(--quiet);background:var(--soft);border-radius:0 10px 10px 0;padding:22px 26px}
.verdict.better{border-color:var(--good)}.verdict.tie{border-color:var(--tie)}
.verdict.worse{border-color:var(--bad)}
.verdict ul{margin:0 0 8px;padding-left:20px}.verdict li{margin:3px 0}
.quiet,figcaption{color:var(--quiet)}figcaption{font-size:13px;margin-top:6px}
.warnings{border:1px solid var(--tie);border-radius:10px;padding:10px 18px;margin:18px 0}
.warnings ul{margin:4px 0;padding-left:20px}.warnings b{color:var(--tie)}
.tiles{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0 0}
.tile{background:var(--soft);border-radius:10px;padding:12px 18px;min-width:120px}
.tile b{display:block;font-size:20px;font-variant-numeric:tabular-nums}
.tile span{color:var(--quiet);font-size:13px}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13.5px;width:100%}
th,td{padding:7px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--quiet);font-weight:600;vertical-align:bottom}
th:first-child,td:first-child{text-align:left;white-space:normal;min-width:150px}
tr.first td{font-weight:650;background:var(--soft)}
td small{display:block;color:var(--quiet);font-weight:400}
.grid2{display:grid;grid-template-columns:repeat(auto-fill,minmax(430px,1fr));gap:22px 26px}
.grid3{display:grid;grid-template-columns:repeat(auto-fill,minmax(290px,1fr));gap:18px 22px}
svg{max-width:none;display:block}.chart{width:100%;height:auto}.fit{max-width:100%;height:auto}
figure{margin:14px 0}
pre{background:var(--soft);border-radius:8px;padding:12px 16px;overflow-x:auto;font-size:13.5px;margin:8px 0}
.sample{background:var(--soft);border-radius:10px;padding:14px 18px;margin:12px 0;white-space:pre-wrap;
overflow-wrap:anywhere;font-family:Georgia,"Liberation Serif",serif;font-size:15.5px}
.sample b{font:600 13px system-ui,sans-serif;color:var(--quiet);display:block;margin-bottom:6px}
.sample i{color:var(--quiet);font-style:normal}
svg text{fill:var(--text);font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
svg .title{font-size:13.5px;font-weight:600}svg .tick,svg .legend{fill:var(--quiet);font-size:11.5px}
svg .label{font-size:12.5px}svg .chart .label{fill:var(--quiet)}
svg .grid{stroke:var(--line)}svg .axis{stroke:var(--quiet)}
svg .line{fill:none;stroke-width:1.4;stroke-linejoin:round}svg .strong{stroke-width:2.4}
svg .page{fill:var(--page)}svg .flow{fill:none;stroke-linecap:round}
svg .box{stroke-width:1.5}svg .boxname{font-size:12.5px;font-weight:600}svg .boxvalue{font-size:12px}
svg .end,svg .mix{fill:var(--soft);stroke:var(--quiet)}
svg .cell{fill:var(--heat)}svg .cellvalue{font-size:13px;font-variant-numeric:tabular-nums}
svg .cellvalue.light{fill:var(--page);font-weight:600}svg .band{fill:var(--c1);opacity:.13}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1)}.c2{stroke:var(--c2)}.c3{stroke:var(--c3)}
.c4{stroke:var(--c4)}.c5{stroke:var(--c5)}.c6{stroke:var(--c6)}.c7{stroke:var(--c7)}
.dot,.box{stroke-width:1}.dot.c0,.box.c0{fill:var(--c0)}.dot.c1,.box.c1{fill:var(--c1)}
.dot.c2,.box.c2{fill:var(--c2)}.dot.c3,.box.c3{fill:var(--c3)}.dot.c4,.box.c4{fill:var(--c4)}
.dot.c5,.box.c5{fill:var(--c5)}.dot.c6,.box.c6{fill:var(--c6)}.dot.c7,.box.c7{fill:var(--c7)}
@media print{body{font-size:12px}main{max-width:none;padding:0}h2{break-after:avoid}figure,.sample{break-inside:avoid}}
)css";

}  // namespace peryton
