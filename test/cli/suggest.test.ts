import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { suggest } from '../../src/cli/suggest.ts'
import { ownIdentity } from '../../src/instance/process-identity.ts'
import { commandLine } from '../helpers/cli.ts'

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

test('a mistyped name of an instance is answered with the one that is there', async (t) => {
  const cloister = commandLine(t)
  const directory = join(cloister.root, 'run/instances/quiet-otter')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  chmodSync(cloister.root, 0o700)
  const spec = { name: 'quiet-otter', isolation: 'unikernel', argv: ['true'] }
  writeFileSync(join(directory, 'config.json'), JSON.stringify({ spec, createdAt: '' }))
  writeFileSync(join(directory, 'state.json'), JSON.stringify({ status: 'exited', owner: ownIdentity() }))
  const { status, stderr } = await cloister(['logs', 'quite-otter'])
  t.is(status, 125)
  t.regex(stderr, /none of that name\.\n {2}Did you mean "quiet-otter"\?/)
  t.regex((await cloister(['rm', 'quite-otter'])).stderr, /none of that name\.\n {2}Did you mean "quiet-otter"\?/)
  t.regex((await cloister(['logs', 'web'])).stderr, /See "cloister ps -a"/)
})
