import test from 'ava'
import { suggest } from '../../src/cli/suggest.ts'

const KNOWN = ['run', 'ps', 'rm', 'compare', 'doctor', 'version']

test('a letter wrong, missing, doubled or swapped finds the word that was meant', (t) => {
  for (const word of ['rnu', 'runn', 'ru']) t.is(suggest(word, KNOWN), 'run', word)
  t.is(suggest('docter', KNOWN), 'doctor')
  t.is(suggest('comapre', KNOWN), 'compare')
  t.is(suggest('vers', KNOWN), 'version')
})

test('a word far from all others gets no suggestion', (t) => {
  t.is(suggest('kubernetes', KNOWN), undefined)
  t.is(suggest('', KNOWN), undefined)
  t.is(suggest('x'.repeat(10_000), KNOWN), undefined)
})
