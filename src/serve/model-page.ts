/** The page as it is sent: the same for every model, which its script asks for. */
export const modelPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Graft</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page.css">
<script type="module" src="/modules/web/main.js"></script>
</head>
<body>
<main>
<h1 id="name">Graft</h1>
<p class="muted" id="facts">&nbsp;</p>
<section id="state-section" aria-label="State">
<p id="state" role="status">Loading …</p>
<progress id="progress" aria-label="Loading the model"></progress>
</section>
<section id="drop" aria-label="Images" hidden>
<div class="choose">
<label class="button"><input id="picker" type="file" accept="image/*" multiple>Choose images</label>
<button id="camera" class="button quiet" type="button" hidden>Use the camera</button>
</div>
<p class="muted">or drop them here, or paste one. They stay in this browser: nothing is uploaded.</p>
</section>
<section id="text-section" hidden>
<label for="text" id="text-label">Text</label>
<textarea id="text" rows="4"></textarea>
<div id="second-part" hidden>
<label for="second">Second text</label>
<textarea id="second" rows="4"></textarea>
</div>
<div class="choose"><button id="classify" class="button" type="button">Label the text</button></div>
<p class="muted">Enter does the same; Shift+Enter starts a new line. What you type stays in this browser: nothing is uploaded.</p>
</section>
<section id="camera-section" aria-label="Camera" hidden>
<p id="camera-note"></p>
<div id="live-view"><video id="video" muted playsinline></video><div><div id="live"></div><p class="muted" id="live-times"></p></div></div>
</section>
<section id="results-section" aria-labelledby="results-title" hidden>
<div class="title"><h2 id="results-title">Results</h2><button id="clear" class="button quiet" type="button">Clear</button></div>
<ol id="results"></ol>
</section>
<p id="announcer" class="unseen" role="status"></p>
<noscript><section class="warning">This page needs JavaScript, which is switched off.</section></noscript>
</main>
</body>
</html>
`;

export const pageIcon =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0b7285"/>' +
  '<path d="M16 27V14M16 18c0-6 3-9 9-9 0 6-3 9-9 9ZM16 21c0-5-3-8-8-8 0 5 3 8 8 8Z" fill="none" stroke="#fff" stroke-width="2.4" stroke-linejoin="round" stroke-linecap="round"/></svg>';
