/** As expected or not, in a word and a sign: colour only repeats it. */
import type { Seen } from '../compare/comparison.ts'
import { type Html, html } from './html.ts'

export const verdict = (asExpected: boolean): Html =>
  asExpected
    ? html`<span class="verdict good"><span aria-hidden="true">✓</span> as expected</span>`
    : html`<span class="verdict bad"><span aria-hidden="true">✗</span> not as expected</span>`

export const seenBesideExpected = (seen: Seen | undefined, expected: string): Html | string =>
  seen
    ? html`${verdict(seen.asExpected)}<br>${seen.text}<span class="expected">expected: ${expected}</span>`
    : 'not looked at'
