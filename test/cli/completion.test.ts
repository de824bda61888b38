import test from 'ava'
import fc from 'fast-check'
import type { Command } from '../../src/cli/command.ts'
import { COMMANDS } from '../../src/cli/command-table.ts'
import { type Candidate, complete } from '../../src/cli/completion/candidates.ts'
import { quickParse } from '../../src/cli/quick-parse.ts'

const INSTANCES: readonly Candidate[] = [{ word: 'web' }, { word: 'db' }]

const NETWORKS: readonly Candidate[] = [{ word: 'n1' }, { word: 'n2' }]

const SNAPSHOTS: readonly Candidate[] = [{ word: 'ready' }, { word: 'later' }]

const offer = (...words: string[]) =>
  complete(words, {
    commands: COMMANDS,
    instances: () => INSTANCES,
    networks: () => NETWORKS,
    snapshots: () => SNAPSHOTS,
  })
const offered = (...words: string[]): string[] => offer(...words).candidates.map(({ word }) => word)

test('the first word is a command, or an option of cloister itself', (t) => {
  t.deepEqual(offered('do'), ['doctor'])
  t.true(offered('').includes('run'))
  t.deepEqual(offered('--v'), ['--version'])
  t.deepEqual(offered('nonsense', ''), [])
})

test('a command of two words is offered word by word', (t) => {
  t.deepEqual(offered('net'), ['network'])
  t.deepEqual(offered('network', ''), ['create', 'ls', 'inspect', 'rm'])
  t.deepEqual(offered('network', 'create', '--sub'), ['--subnet'])
  t.deepEqual(offered('network', 'nonsense', ''), [])
})

test('names of networks are offered where one is wanted', (t) => {
  t.deepEqual(offered('network', 'rm', 'n1', ''), ['n2'])
  t.deepEqual(offered('run', '--net', 'n'), ['n1', 'n2'])
  t.deepEqual(offered('run', '--network', 'n2'), ['n2'])
  t.deepEqual(offered('network', 'create', ''), [])
})

test('names of snapshots are offered where one is wanted, and instances too where either will do', (t) => {
  t.deepEqual(offered('snapshot', ''), ['create', 'ls', 'inspect', 'rm', 'restore'])
  t.deepEqual(offered('snapshot', 'rm', 'ready', ''), ['later'])
  t.deepEqual(offered('snapshot', 'create', '--base', 'r'), ['ready'])
  t.deepEqual(offered('snapshot', 'create', 'w'), ['web'])
  t.deepEqual(offered('clone', ''), ['ready', 'later', 'web', 'db'])
})

test('nothing offers what is hidden', (t) => {
  const hidden = COMMANDS.filter((command) => command.hidden).map(({ name }) => name)
  t.true(hidden.length > 0)
  for (const name of hidden) t.false([...offered(''), ...offered('help', '')].includes(name), name)
})

test('an option that is there is offered again only when it may be repeated', (t) => {
  t.deepEqual(offered('run', '--rm', '--r'), ['--rootfs'])
  t.deepEqual(offered('run', '-e', 'A=1', '--env=B', '--env'), ['--env', '--env-file'])
  t.deepEqual(offered('run', '-ie', 'A=1', '--int'), [])
})

test('one dash alone shows short options too', (t) => {
  t.true(offered('rm', '-').includes('-f'))
  t.false(offered('rm', '--').includes('-f'))
})

test('the word after an option that takes one is its value, whatever it looks like', (t) => {
  t.deepEqual(offered('run', '--isolation', 'uni'), ['unikernel'])
  t.deepEqual(offered('run', '--append', '--'), [])
  t.deepEqual(offered('run', '--append', '--isolation', '--iso'), ['--isolation'])
  t.deepEqual(offered('kill', '-s', 'U'), ['USR1', 'USR2'])
  t.is(offer('run', '-e', '').paths, undefined)
})

test('a value may be joined to its option, and is answered as one word', (t) => {
  t.deepEqual(offered('run', '--isolation='), ['--isolation=container', '--isolation=unikernel', '--isolation=microvm'])
  t.deepEqual(offered('run', '--rm='), [])
  t.is(offer('run', '--kernel=/boot/v').paths, 'file')
})

test('of a list the words that are still missing are offered', (t) => {
  const list: Command = {
    ...COMMANDS[0]!,
    options: [{ name: 'levels', value: 'LIST', describe: '', completes: { listOf: ['container', 'unikernel'] } }],
  }
  const words = (...line: string[]) =>
    complete([list.name, ...line], { commands: [list], instances: () => [] }).candidates.map(({ word }) => word)
  t.deepEqual(words('--levels', ''), ['container', 'unikernel'])
  t.deepEqual(words('--levels', 'container,'), ['container,unikernel'])
  t.deepEqual(words('--levels=unikernel,c'), ['--levels=unikernel,container'])
  t.deepEqual(words('--levels', 'nonsense,container,'), ['nonsense,container,unikernel'])
})

test('after SOURCE come the words of the program: paths, and no options of ours', (t) => {
  t.deepEqual(offer('run', './prog', '--'), { candidates: [], paths: 'file' })
  t.deepEqual(offer('run', './prog', '--', '-'), { candidates: [], paths: 'file' })
  t.deepEqual(offer('run', '--rm', '--', ''), { candidates: [], paths: 'file' })
})

test('a FILE is completed as a file and a DIR as a directory; one inside the instance is not looked for here', (t) => {
  t.is(offer('run', '--env-file', '').paths, 'file')
  t.is(offer('run', '--rootfs', '').paths, 'directory')
  t.is(offer('run', '--workdir', '').paths, undefined)
})

test('names of instances are asked for in the states that make sense, and each is offered once', (t) => {
  const asked: (readonly string[] | undefined)[] = []
  const instances = (_begin: string, states?: readonly string[]): readonly Candidate[] => {
    asked.push(states)
    return INSTANCES
  }
  const words = (...line: string[]) => complete(line, { commands: COMMANDS, instances }).candidates
  words('stop', '')
  words('resume', '')
  words('inspect', '')
  t.deepEqual(asked, [['running', 'paused'], ['paused'], undefined])
  t.deepEqual(words('rm', 'web', ''), [{ word: 'db' }])
})

test('where no operand can follow, an empty word shows the options', (t) => {
  t.true(offered('ps', '').includes('--all'))
  t.true(offered('completion', 'bash', '').includes('--help'))
  t.deepEqual(offered('logs', 'web', 'd'), [])
})

test('every option that names one of a few words in its help completes them', (t) => {
  const rows = COMMANDS.flatMap(({ options }) => options)
  for (const value of ['LEVEL', 'LIST', 'FORMAT', 'SIGNAL']) {
    const found = rows.filter((row) => row.value === value)
    t.true(found.length > 0, value)
    for (const row of found) t.truthy(row.completes, `--${row.name}`)
  }
})

const word = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom(...COMMANDS.flatMap(({ name, options }) => [name, ...options.map((row) => `--${row.name}`)])),
  fc.constantFrom('-', '--', '-i', '-ie', '--=', '--isolation=', '__proto__', '--constructor', './p'),
)

test('whatever stands on the line, what is offered begins with what is typed', (t) => {
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      const current = words.at(-1) ?? ''
      return offered(...words).every((candidate) => candidate.startsWith(current) && !/[\t\n]/.test(candidate))
    }),
  )
  t.pass()
})

test('an option that is offered is one that the parser takes', (t) => {
  const run = COMMANDS.find(({ name }) => name === 'run')!
  const names = offered('run', '--').filter((name) => name !== '--help')
  t.true(names.length > 10)
  for (const name of names) {
    const takesValue = run.options.find((row) => `--${row.name}` === name)?.value !== undefined
    t.truthy(quickParse(run, [name, ...(takesValue ? ['x'] : []), './prog']), name)
  }
})
