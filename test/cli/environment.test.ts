import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { programEnvironment } from '../../src/cli/environment.ts'
import { UsageError } from '../../src/errors.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const of = (variables: readonly string[], files: readonly string[] = []) =>
  programEnvironment({ name: 'web', variables, files, host: { MINE: 'host value' } })

test('a program always has PATH, HOME and HOSTNAME', (t) => {
  const defaults = of([])
  t.deepEqual(
    defaults.map((entry) => entry.split('=')[0]),
    ['PATH', 'HOME', 'HOSTNAME'],
  )
  t.true(defaults.includes('HOSTNAME=web'))
})

test('-e K=V sets, -e K passes the own value on or nothing, and the last one wins', (t) => {
  t.deepEqual(of(['A=1', 'A=2=3', 'MINE', 'ABSENT', 'HOME=/x', 'EMPTY=']).slice(1), [
    'HOME=/x',
    'HOSTNAME=web',
    'A=2=3',
    'MINE=host value',
    'EMPTY=',
  ])
})

test('--env-file reads lines, without comments and empty ones; -e wins over it', (t) => {
  const file = join(temporaryDirectory(t), 'variables')
  writeFileSync(file, '# comment\nA=from file\r\n\nB=b # c\nMINE\n')
  t.deepEqual(of(['A=1'], [file]).slice(3), ['A=1', 'B=b # c', 'MINE=host value'])
  t.throws(() => of([], ['/nowhere/variables']), { instanceOf: UsageError })
})

test('a variable without a name, or with a NUL byte, is refused', (t) => {
  for (const entry of ['=x', '', 'A=\0']) t.throws(() => of([entry]), { instanceOf: UsageError }, JSON.stringify(entry))
})
