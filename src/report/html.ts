/**
 * HTML by tagged template: whatever is put in is text and is escaped, unless it is Html already. Program names,
 * arguments and messages are anybody's bytes.
 */

/** Markup that is known to be safe. Made here, by the chart renderer (svg.ts), and by page.ts of our own texts. */
export class Html {
  readonly markup: string

  constructor(markup: string) {
    this.markup = markup
  }
}

export type Piece = string | number | Html | undefined | readonly Piece[]

/** Strings and numbers become text, `undefined` nothing, lists their pieces one after the other. */
export function html(parts: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  return new Html(parts.reduce((markup, part, index) => markup + asMarkup(pieces[index - 1]) + part))
}

function asMarkup(piece: Piece): string {
  if (piece === undefined) return ''
  if (piece instanceof Html) return piece.markup
  if (typeof piece === 'object') return piece.map(asMarkup).join('')
  return escapeText(String(piece))
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

export const escapeText = (text: string) => visible(text).replace(/[&<>"'`]/g, (character) => ENTITIES[character]!)

/** Line separators of Unicode, marks that turn the direction of text around, half of a surrogate pair. */
const DECEPTIVE = /[\p{Cc}\p{Cs}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff]/gu

/** Characters that are not seen, or that reorder what is seen, are spelled out; tab and line feed stay. */
export const visible = (text: string) =>
  text.replace(DECEPTIVE, (character) =>
    character === '\n' || character === '\t'
      ? character
      : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

/**
 * JSON for a script element: HTML's parser must see neither an end tag nor a comment in it (HTML Standard, "Restrictions
 * for contents of script elements"), and a JavaScript parser no line separator. It parses to the same value.
 */
export const embedJson = (value: unknown) =>
  new Html(
    JSON.stringify(value).replace(
      /[<>&\u2028\u2029\p{Cc}]/gu,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    ),
  )
