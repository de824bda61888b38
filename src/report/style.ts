/**
 * The look of every page: large type, light and dark by the reader's setting or by the switch, a plain print. A colour is
 * a variable with a value for light and one for dark (CSS Color 5 §7, light-dark()).
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: light-dark(#ffffff, #13161b);
  --panel: light-dark(#f4f6f8, #1c2128);
  --ink: light-dark(#14181d, #f1f4f8);
  --soft: light-dark(#4a535d, #b4bec9);
  --rule: light-dark(#8a949e, #76818d);
  --line: light-dark(#d5dbe1, #343c46);
  --link: light-dark(#00559c, #7cc7ff);
  --band: light-dark(#f6ddd0, #4a2c1e);
  --warn: light-dark(#fff3cd, #3d3110);
  --warn-edge: light-dark(#b27a00, #f0b93a);
  --good: light-dark(#00624a, #6be0b5);
  --bad: light-dark(#b3261e, #ffaba3);
  --hue-1: light-dark(#b8500a, #ffb05c);
  --hue-2: light-dark(#0069a8, #5cc4ff);
  --hue-3: light-dark(#007355, #4fd9ab);
  --hue-4: light-dark(#9c3f7f, #f29bd2);
  --hue-5: light-dark(#55606b, #c3ccd6);
  --hue-6: light-dark(#75650a, #e6d44a);
  --span-1: light-dark(#fbd08a, #744600);
  --span-2: light-dark(#a9d8f6, #0b4d75);
  --span-3: light-dark(#a3e0c8, #0a5843);
  --span-4: light-dark(#f3c3df, #6a2d55);
  --span-5: light-dark(#e5df8c, #56520f);
}
:root:has(#theme-light:checked) { color-scheme: light }
:root:has(#theme-dark:checked) { color-scheme: dark }
* { box-sizing: border-box }
html { font: clamp(17px, 0.55vw + 11px, 23px)/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; background: var(--paper); color: var(--ink); scroll-behavior: smooth }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto } }
body { margin: 0 auto; max-width: 66rem; padding: 1.2rem clamp(0.8rem, 3vw, 2rem) 4rem; overflow-wrap: break-word }
h1 { font-size: clamp(1.6rem, 4.2vw, 2.5rem); line-height: 1.15; margin: 1rem 0; text-wrap: balance }
h2 { font-size: clamp(1.3rem, 3vw, 1.75rem); margin: 3.2rem 0 0.4rem; padding-top: 0.8rem; border-top: 3px solid var(--ink) }
h3 { font-size: 1.2rem; margin: 0 0 0.6rem; line-height: 1.3 }
p { margin: 0.5rem 0; max-width: 52rem }
a { color: var(--link) }
code, pre { font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", monospace; font-size: 0.92em }
.command { display: block; padding: 0.7rem 1rem; background: var(--panel); border: 1px solid var(--line); border-radius: 0.4rem; font-size: 1.02rem; white-space: pre-wrap; overflow-wrap: anywhere }
.meta { color: var(--soft) }
.top { display: flex; flex-wrap: wrap; gap: 0.4rem 1.5rem; justify-content: space-between; align-items: center }
.skip { position: absolute; left: -100rem }
.skip:focus { position: static }
nav ul { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; list-style: none; margin: 1rem 0; padding: 0 }
nav a { display: inline-block; padding: 0.2rem 0 }
fieldset { border: 0; margin: 0; padding: 0; display: flex; gap: 0.2rem 0.9rem; flex-wrap: wrap }
legend { float: left; margin-right: 0.9rem; color: var(--soft); padding: 0 }
input[type=radio] { width: 1.05em; height: 1.05em; margin: 0 0.3em 0 0; vertical-align: -0.1em; accent-color: var(--link) }
:focus-visible { outline: 3px solid var(--link); outline-offset: 3px; border-radius: 2px }
button { font: inherit; color: var(--ink); background: var(--panel); border: 2px solid var(--rule); border-radius: 0.4rem; padding: 0.4rem 1rem; cursor: pointer }
button:hover { border-color: var(--ink) }
.notice { background: var(--warn); border-left: 0.5rem solid var(--warn-edge); border-radius: 0.3rem; padding: 0.7rem 1rem; margin: 1rem 0; max-width: none }
.notice p { margin: 0.2rem 0; max-width: none; white-space: pre-line }
.notice.plain { background: var(--panel); border-color: var(--rule) }
figure { margin: 1.4rem 0 2.2rem; padding: clamp(0.8rem, 2vw, 1.4rem); background: var(--paper); border: 1px solid var(--line); border-radius: 0.6rem; container-type: inline-size }
.chart svg { display: block; width: 100%; height: auto }
.dots { opacity: 0.8 }
.chart.narrow { display: none }
@container (max-width: 42rem) { .chart.wide { display: none } .dots { opacity: 0.8 }
.chart.narrow { display: block } }
figcaption { margin-top: 0.9rem; max-width: 54rem }
.several { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1.2rem 1.6rem }
.several h4 { margin: 0; font-size: 1.02rem }
.several p { margin: 0.2rem 0; font-size: 0.95rem }
.key { list-style: none; margin: 0.6rem 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0.3rem 1.6rem }
.key li { display: flex; align-items: center; gap: 0.5rem }
.key svg { flex: none; fill: currentcolor; stroke: currentcolor; stroke-width: 2.5; overflow: visible }
.key .hollow { fill: var(--paper) }
.key .hollow .line { stroke-dasharray: 2 4; stroke-linecap: round }
.spans { margin: 0.8rem 0 0; padding: 0; list-style: none; display: grid; gap: 0.35rem }
.spans li { display: grid; grid-template-columns: 2rem 1fr; gap: 0.6rem; align-items: start }
.swatch { color: var(--ink); text-align: center; border-radius: 0.2rem; font-weight: 700 }
.span-1 { background: var(--span-1) } .span-2 { background: var(--span-2) } .span-3 { background: var(--span-3) }
.span-4 { background: var(--span-4) } .span-5 { background: var(--span-5) }
details { margin-top: 0.8rem }
summary { cursor: pointer; color: var(--link); padding: 0.2rem 0; width: fit-content }
.scroll { overflow-x: auto; max-width: 100% }
table { border-collapse: collapse; width: 100%; margin: 0.4rem 0 }
caption { text-align: left; color: var(--soft); padding: 0.2rem 0 }
th, td { text-align: left; vertical-align: top; padding: 0.4rem 1rem 0.4rem 0; border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums }
thead th { border-bottom: 2px solid var(--rule) }
tbody th { font-weight: 400 }
td { white-space: pre-line; overflow-wrap: anywhere; min-width: 7rem }
.glance td { font-size: 1.35rem; font-weight: 650; line-height: 1.25; overflow-wrap: normal }
.glance td small { display: block; font-size: 0.85rem; font-weight: 400; color: var(--soft) }
.glance thead th { font-size: 1.15rem }
.glance.many td { font-size: 1.05rem; min-width: 5.5rem; white-space: nowrap }
.glance.many thead th { font-size: 1rem }
.verdict { font-weight: 700; white-space: nowrap }
.verdict.good { color: var(--good) } .verdict.bad { color: var(--bad) }
.expected { color: var(--soft); display: block }
pre { max-height: 30rem; overflow: auto; background: var(--panel); border: 1px solid var(--line); border-radius: 0.4rem; padding: 0.8rem }
.actions { display: flex; flex-wrap: wrap; gap: 0.8rem; align-items: center }
[hidden] { display: none }
@media (max-width: 40rem) { th, td { padding-right: 0.7rem } .glance td { font-size: 1.1rem } td { min-width: 6rem } }
@media print {
  :root { color-scheme: light !important }
  html { font-size: 11pt }
  body { max-width: none; padding: 0 }
  nav, fieldset, button, summary, .actions, .skip { display: none }
  h2 { break-after: avoid }
  figure, tr { break-inside: avoid }
  figure { border: 0; padding: 0 }
}
`
