/**
 * The frame of a page: one file that needs nothing else, and by its own policy can fetch nothing else (CSP 3): what runs
 * and what styles is named by its digest, so that nothing that got into the text could do either.
 */
import { createHash } from 'node:crypto'
import { embedJson, Html, html, type Piece } from './html.ts'
import { SCRIPT } from './page-script.ts'
import { STYLE } from './style.ts'

export interface Section {
  readonly id: string
  readonly title: string
  readonly body: Piece
}

export interface PageParts {
  readonly title: string
  /** Which command made it. */
  readonly eyebrow: string
  readonly command: string
  readonly meta: string
  /** What must be read before anything else, and the most important figures. */
  readonly lead: Piece
  readonly sections: readonly Section[]
  readonly data: { readonly schema: string }
}

const digest = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

const POLICY = [
  "default-src 'none'",
  `script-src ${digest(SCRIPT)}`,
  `style-src ${digest(STYLE)}`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ')

const THEMES = [
  ['auto', 'as the system'],
  ['light', 'light'],
  ['dark', 'dark'],
] as const

export function renderPage({ title, eyebrow, command, meta, lead, sections, data }: PageParts): string {
  const all = [...sections, rawData(data)]
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${trusted(POLICY)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${trusted(STYLE)}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<div class="top"><span class="meta">${eyebrow}</span>
<fieldset><legend>Colours</legend>${THEMES.map(
    ([id, words]) =>
      html`<label><input type="radio" name="theme" id="theme-${id}"${id === 'auto' ? trusted(' checked') : undefined}>${words}</label>`,
  )}</fieldset></div>
<h1>${title}</h1>
<code class="command">${command}</code>
<p class="meta">${meta}</p>
<nav aria-label="Sections"><ul>${all.map(({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
</header>
<main id="content">
${lead}
${all.map(
  ({ id, title: name, body }) =>
    html`<section aria-labelledby="${id}"><h2 id="${id}">${name}</h2>\n${body}</section>\n`,
)}</main>
<script type="application/json" id="data">${embedJson(data)}</script>
<script>${trusted(SCRIPT)}</script>
</body>
</html>
`
  return page.markup
}

/** Text of this folder, never of a result. */
const trusted = (markup: string) => new Html(markup)

const rawData = ({ schema }: { readonly schema: string }): Section => ({
  id: 'raw-data',
  title: 'Raw data',
  body: html`<p>Everything on this page, each sample included, as one JSON document (schema <code>${schema}</code>): what the same command prints with <code>--json</code>.</p>
<div id="data-actions" class="actions" hidden>
<button type="button" id="data-download" data-name="${schema.replace(/[^a-z0-9]+/gi, '-')}.json">Download JSON</button>
<button type="button" id="data-copy">Copy JSON</button>
<span id="data-status" role="status"></span>
</div>
<details><summary>Show JSON</summary><pre id="data-shown" tabindex="0" aria-label="The raw data as JSON"></pre></details>`,
})
