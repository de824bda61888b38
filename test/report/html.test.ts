import test from 'ava'
import fc from 'fast-check'
import { embedJson, escapeText, Html, html, visible } from '../../src/report/html.ts'

const NAMES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#96': '`' }
const decode = (markup: string) => markup.replace(/&([a-z#0-9]+);/g, (_, name: string) => NAMES[name]!)

/** Text of anybody, with a good chance of what matters to a parser. */
const NASTY = [
  '</script>',
  '<!--',
  '<script>',
  ']]>',
  '&lt;',
  '"',
  "'",
  '`',
  '=',
  '\u2028',
  '\u2029',
  '\u202e',
  '\0',
  '\ud800',
  '{',
  '}',
]
const hostile = fc
  .array(fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(...NASTY)))
  .map((pieces) => pieces.join(''))

test('whatever text is put into a template stays text, in an element and in an attribute', (t) => {
  fc.assert(
    fc.property(hostile, (text) => {
      const { markup } = html`<p title="${text}">${text}</p>`
      const [whole, attribute, content] = /^<p title="([^"<>]*)">([^<>]*)<\/p>$/s.exec(markup) ?? []
      return whole === markup && decode(attribute!) === visible(text) && decode(content!) === visible(text)
    }),
  )
  t.pass()
})

test('what a reader cannot see, or sees in another order, is spelled out; line feeds and tabs stay', (t) => {
  t.is(visible('a\u202eb\u200b\0\u2028'), 'a\\u202eb\\u200b\\u0000\\u2028')
  t.is(visible('\ud800 and \u{1f600}'), '\\ud800 and \u{1f600}')
  t.is(visible('\tone\ntwo'), '\tone\ntwo')
  t.is(visible('Größe, 尺寸, µs, ×'), 'Größe, 尺寸, µs, ×')
  t.is(visible('\r\x1b[2J'), '\\u000d\\u001b[2J')
})

test('embedded JSON has nothing that ends a script element or a line, and parses to the same value', (t) => {
  fc.assert(
    fc.property(fc.oneof(hostile, fc.jsonValue(), fc.dictionary(hostile, hostile)), (value) => {
      const { markup } = embedJson(value)
      t.notRegex(markup, /[<>&\u2028\u2029\0\n]/)
      t.deepEqual(JSON.parse(markup), JSON.parse(JSON.stringify(value)))
    }),
  )
})

test('only markup made by the template is taken as markup', (t) => {
  const inner = html`<b>${'1 < 2'}</b>`
  t.is(html`${inner}${[inner, '<i>']}${undefined}${3}`.markup, '<b>1 &lt; 2</b><b>1 &lt; 2</b>&lt;i&gt;3')
  t.throws(() => html`${JSON.parse('{"markup":"<b>"}')}`)
  t.is(new Html('<b>').markup, '<b>')
})

test('escaping text twice is not escaping it once: nothing is left unescaped because it looks escaped', (t) => {
  t.is(escapeText('&lt;script&gt;'), '&amp;lt;script&amp;gt;')
})
