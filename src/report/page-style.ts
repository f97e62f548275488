/** The style of a report page: light and dark by the reader's setting, one column where it is narrow. */
export const pageStyle = `
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--text:#1c2530;--muted:#64717f;--line:#dfe4ea;--train:#8a63d2;--validation:#0b7285;--right:#1971c2;--wrong:#c2410c;--warn:#fff4e0;--warnline:#e8a33d;--onmark:#fff}
@media (prefers-color-scheme:dark){:root{--ground:#11151a;--card:#1a2027;--text:#e4e9ef;--muted:#93a1b0;--line:#303a45;--train:#b197fc;--validation:#3bc9db;--right:#4dabf7;--wrong:#ff8a4c;--warn:#33291a;--warnline:#c98a2b;--onmark:#0b141d}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
h1{font-size:26px;margin:0;overflow-wrap:anywhere}
h2{font-size:17px;margin:0 0 12px}
h3{font-size:15px;margin:18px 0 8px}
p{margin:6px 0}
.muted,figcaption{color:var(--muted);font-size:13.5px;overflow-wrap:anywhere}
section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:18px 20px;margin-top:16px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin-top:18px}
.figure{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 16px}
.figure b{display:block;overflow-wrap:anywhere;font-size:25px;font-weight:650;line-height:1.25}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(290px,100%),1fr));gap:18px}
figure{margin:0}
svg{width:100%;height:auto;display:block}
svg text{font-size:11.5px;fill:var(--muted)}
svg .grid{stroke:var(--line);stroke-width:1}
svg .curve{fill:none;stroke-width:2.2;stroke-linejoin:round}
svg .curve.train{stroke:var(--train)}svg .curve.validation{stroke:var(--validation)}
svg .dot.train{fill:var(--train)}svg .dot.validation{fill:var(--validation)}
svg .kept,svg .diagonal{stroke:var(--muted);stroke-dasharray:4 4}
svg .bar,svg .right{fill:var(--right)}svg .wrong{fill:var(--wrong)}
svg .frame{fill:none;stroke:var(--line)}
svg .strong{fill:var(--onmark);font-weight:600}svg .weak{fill:var(--text)}
.key{display:flex;flex-wrap:wrap;gap:2px 16px}
.key span{display:inline-flex;align-items:center;gap:6px}
.key i{width:14px;height:4px;border-radius:2px;display:inline-block}
.warning{background:var(--warn);border-color:var(--warnline)}
.warning ul{margin:0;padding-left:20px;overflow-wrap:anywhere}
.scroll{max-height:460px;overflow:auto}
.scroll:focus-visible{outline:2px solid var(--right);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{padding:5px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{min-width:7em;text-align:left;white-space:normal}
td:first-child{overflow-wrap:anywhere}
thead th{color:var(--muted);font-weight:600;position:sticky;top:0;background:var(--card)}
td.words,th.words{min-width:7em;text-align:left;white-space:normal}
td.words{overflow-wrap:anywhere}
.pairs td:first-child{white-space:nowrap;overflow-wrap:normal;vertical-align:top}
.search th,.search td{text-align:left}.search th:first-child,.search td:first-child{min-width:1.5em}
.chart{width:100%;max-width:720px;border-radius:8px;display:block;margin-top:12px}
.flag{white-space:nowrap}
td .share{display:inline-block;height:7px;border-radius:4px;background:var(--right);vertical-align:middle;margin-right:8px}
.examples{display:grid;grid-template-columns:repeat(auto-fill,minmax(124px,1fr));gap:14px}
.examples figure{font-size:12.5px;line-height:1.35;overflow-wrap:anywhere}
.examples:has(.text){grid-template-columns:repeat(auto-fill,minmax(min(240px,100%),1fr))}
.examples blockquote{margin:0 0 5px;padding:8px 10px;background:var(--line);border-radius:8px}
.examples img,.examples .none{width:100%;aspect-ratio:1;object-fit:cover;border-radius:8px;background:var(--line);display:block;margin-bottom:5px}
.examples .muted{font-size:11.5px}
.examples b{unicode-bidi:isolate}
pre{background:var(--ground);border:1px solid var(--line);border-radius:8px;padding:10px 14px;white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;margin:8px 0}
@media (max-width:560px){main{padding:16px 10px 40px}section{padding:14px 12px}th,td{padding:4px 6px}th:first-child,td:first-child,td.words,th.words{min-width:5.5em}}
`;
