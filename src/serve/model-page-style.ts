/** What the page of `graft serve` adds to the style of a report; colours are that one's. */
export const modelPageStyle = `
main{max-width:760px}
[hidden]{display:none!important}
section{padding:16px 20px}
#state,#camera-note{margin:0}
progress{width:100%;height:8px;margin-top:10px;accent-color:var(--right);display:block}
#drop{border:2px dashed var(--line);text-align:center;padding:30px 20px 22px;transition:border-color .15s}
#drop.over{border-color:var(--right);background:color-mix(in srgb,var(--right) 9%,var(--card))}
.choose{display:flex;flex-wrap:wrap;gap:10px;justify-content:center;margin-bottom:12px}
.button{display:inline-flex;align-items:center;justify-content:center;min-height:42px;padding:8px 18px;border-radius:8px;border:1px solid transparent;background:#1864ab;color:#fff;font:inherit;font-weight:600;cursor:pointer;position:relative}
.button:hover{filter:brightness(1.1)}
.button.quiet{background:none;border-color:var(--line);color:var(--text);font-weight:400}
.button.quiet:hover{border-color:var(--muted)}
.button:focus-visible,.button:focus-within{outline:3px solid var(--right);outline-offset:2px}
.button input{position:absolute;inset:0;width:100%;opacity:0;cursor:pointer;font-size:0}
#text-section label{font-weight:600}
textarea{width:100%;margin:6px 0 12px;padding:10px 12px;border:1px solid var(--line);border-radius:8px;background:var(--ground);color:var(--text);font:inherit;resize:vertical;display:block}
textarea:focus-visible{outline:3px solid var(--right);outline-offset:1px}
#text-section .choose{justify-content:flex-start;margin-bottom:6px}
.title{display:flex;justify-content:space-between;align-items:center;margin-bottom:4px}
.title h2{margin:0}
.title .button{min-height:32px;padding:2px 12px;font-size:14px}
#results{list-style:none;margin:0;padding:0}
#results li{display:grid;grid-template-columns:112px minmax(0,1fr);gap:18px;padding:16px 0;border-top:1px solid var(--line);content-visibility:auto;contain-intrinsic-height:auto 200px}
#results li:first-child{border-top:0}
#results .body:first-child{grid-column:1/-1}
.picture{width:112px;height:112px;border-radius:8px;background:var(--line);overflow:hidden}
.picture canvas{width:100%;height:100%;object-fit:cover;display:block}
.waiting .picture{animation:wait 1.2s ease-in-out infinite alternate}
@keyframes wait{to{opacity:.45}}
@media (prefers-reduced-motion:reduce){.waiting .picture{animation:none}}
.waiting .answer{color:var(--muted)}
.refused .answer{color:var(--wrong)}
.refused .picture{display:grid;place-items:center}
.refused .picture::after{content:"!";font-size:34px;font-weight:700;color:var(--muted)}
.answer{margin:0 0 6px;overflow-wrap:anywhere}
.answer b{unicode-bidi:isolate;font-size:19px;font-weight:650;line-height:1.3}
.answer .muted{display:inline-block}
.bars{table-layout:fixed;margin-bottom:6px}
.bars th,.bars td{padding:2px 0;border:0;font-size:13.5px}
.bars th{width:34%;font-weight:400;color:var(--muted);line-height:1.35;padding-right:12px}
.bars td:last-child{width:72px;text-align:right;color:var(--muted);font-variant-numeric:tabular-nums}
.bars .chosen th,.bars .chosen td{color:var(--text);font-weight:600}
.bars tr:not(:has(.track)) td{color:var(--text);width:120px}
.track div{position:relative;height:9px;border-radius:5px;background:var(--ground);overflow:hidden}
.track i{display:block;height:100%;border-radius:5px;background:var(--muted)}
.chosen .track i{background:var(--right)}
.track s{position:absolute;top:0;bottom:0;width:1px;background:var(--text);opacity:.55}
#live-view{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:18px;align-items:start}
video{width:100%;border-radius:8px;background:#000;display:block}
.unseen{position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media (max-width:560px){#results li{grid-template-columns:60px minmax(0,1fr);gap:12px}#live-view{grid-template-columns:minmax(0,1fr)}#results .picture{width:60px;height:60px}.bars th{width:48%;padding-right:8px}#drop{padding:20px 12px 14px}section{padding:14px 12px}.bars td:last-child{width:66px}}
`;
