/** What stands around a plot: a title, how to read it, a key, and the same figures as a table. */
import { type Html, html, type Piece } from './html.ts'
import { FRAMES, type Frame, type Look } from './look.ts'

export interface FigureParts {
  readonly id: string
  readonly title: string
  /** What one sees in it, for those who do not. */
  readonly description: string
  readonly draw: (frame: Frame) => Html
  readonly key?: Html
  readonly reading: Piece
  readonly table: Html
}

export const figure = ({ draw, ...parts }: FigureParts): Html =>
  framed({
    ...parts,
    pictures: FRAMES.map(
      (frame) =>
        html`<div class="chart ${frame.narrow ? 'narrow' : 'wide'}" role="img" aria-label="${parts.description}">${draw(frame)}</div>`,
    ),
  })

export const framed = (parts: Omit<FigureParts, 'draw' | 'description'> & { readonly pictures: Piece }): Html => html`
<figure id="${parts.id}" aria-labelledby="${parts.id}-title">
<h3 id="${parts.id}-title">${parts.title}</h3>
${parts.pictures}
${parts.key}
<figcaption><strong>How to read this.</strong> ${parts.reading}</figcaption>
<details><summary>The same as a table</summary>
${parts.table}
</details>
</figure>`

/** The first cell of a row names the row. Wider than the page, it scrolls by itself. */
export const table = (caption: string, head: readonly Piece[], rows: readonly (readonly Piece[])[]): Html => html`
<div class="scroll" role="region" aria-label="${caption}" tabindex="0">
<table><caption>${caption}</caption>
<thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>
${rows.map(
  ([first, ...cells]) => html`<tr><th scope="row">${first}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>\n`,
)}</tbody></table></div>`

export interface KeyItem {
  readonly name: string
  readonly look: Look
  readonly hollow?: boolean
}

const SHAPES: Readonly<Record<string, Html>> = {
  circle: html`<circle cx="20" cy="8" r="6"/>`,
  diamond: html`<path d="M20 1l6 7-6 7-6-7z"/>`,
  triangle: html`<path d="M20 1l7 13H13z"/>`,
  rect: html`<path d="M14 2h12v12H14z"/>`,
}

/** Which shape, colour and line is whose. */
export const key = (items: readonly KeyItem[]): Html => html`
<ul class="key">${items.map(
  ({ name, look, hollow }) =>
    html`<li><svg class="${hollow ? 'hollow' : 'full'}" viewBox="0 0 40 16" width="40" height="16" aria-hidden="true" color="${look.colour}"><path class="line" d="M0 8h40"/>${SHAPES[look.symbol] ?? SHAPES.circle}</svg>${name}</li>`,
)}</ul>`
