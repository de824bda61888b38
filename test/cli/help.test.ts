/** The words of the command table: one voice, and examples that can be typed. */
import test from 'ava'
import { COMMANDS } from '../../src/cli/command-table.ts'
import { commandAt } from '../../src/cli/find-command.ts'
import { fullParse } from '../../src/cli/full-parse.ts'
import { commandHelp, overviewHelp } from '../../src/cli/help-text.ts'
import { groupsOf } from '../../src/cli/overview.ts'
import { UsageError } from '../../src/errors.ts'
import { commandLine } from '../helpers/cli.ts'
import { cloisterLines } from '../helpers/command-lines.ts'

const SHOWN = COMMANDS.filter(({ hidden }) => !hidden)

test('every command has examples, and each of them can be parsed', async (t) => {
  for (const { name, examples } of SHOWN) {
    t.true(examples.length > 0, name)
    t.true(
      examples.some(([line]) => line.includes(`cloister ${name}`)),
      name,
    )
    for (const [line] of examples) {
      for (const words of cloisterLines(line)) {
        const found = commandAt(words)
        if (found) await t.notThrowsAsync(fullParse(found.command, found.rest), line)
        else t.fail(line)
      }
    }
  }
})

test('descriptions begin with a capital verb and have no full stop; those of options begin with a capital too', (t) => {
  for (const { name, describe, options } of SHOWN) {
    t.regex(describe, /^[A-Z].*[^.]$/, name)
    for (const option of options) {
      t.regex(option.describe, /[^.]$/, `${name} --${option.name}`)
      if (option.name !== 'isolation') t.regex(option.describe, /^[A-Z]|^[a-z]+: /, `${name} --${option.name}`)
    }
  }
})

test('values are named in capitals, or spelled out where only a few letters are free', (t) => {
  for (const { name, options } of SHOWN) {
    for (const { name: option, value } of options) {
      if (value !== undefined)
        t.regex(
          value,
          /^[A-Z]+$|^K\[=V\]$|^[A-Za-z]+\[[:=|\w]+\]$|^SRC:DST\[:ro\]$|^NETWORK\|tap:NAME\|none$/,
          `${name} --${option}`,
        )
    }
  }
})

test('no option of a command has the name of another', (t) => {
  for (const { name, options } of SHOWN) {
    const names = options.flatMap((row) => (row.short === undefined ? [row.name] : [row.name, row.short]))
    t.deepEqual(names, [...new Set(names)], name)
  }
})

test('every command has a help of its own, and without the operands that it needs says how it is used', async (t) => {
  for (const command of SHOWN) {
    const { name, operands, usage } = command
    t.true(commandHelp(command).startsWith(`cloister ${name} ${usage.split('  |  ')[0]}`), name)
    t.is(await fullParse(command, ['--help']), 'help')
    if (operands.min === 0) continue
    const error = await t.throwsAsync(fullParse(command, []), { instanceOf: UsageError }, name)
    t.is((error as UsageError).hint, `Usage: cloister ${name} ${usage}`)
  }
})

test('words of other engines lead to ours, and what is not there says what is', async (t) => {
  const cloister = commandLine(t)
  for (const [word, hint] of [
    ['ls', /Did you mean "cloister ps"/],
    ['delete', /Did you mean "cloister rm"/],
    ['./prog', /Did you mean "cloister run \.\/prog"/],
    ['start', /Did you mean "cloister run"/],
    ['pull', /no images yet/],
  ] as const) {
    const { status, stderr } = await cloister([word, 'x'])
    t.is(status, 125)
    t.regex(stderr, hint)
  }
})

test('a command of two words is found by both; the first alone lists them, and a wrong second one leads to them', async (t) => {
  const cloister = commandLine(t)
  const { status, stdout } = await cloister(['network'])
  t.is(status, 0)
  for (const name of ['create', 'ls', 'inspect', 'rm']) t.regex(stdout, new RegExp(`^  cloister network ${name} `, 'm'))
  for (const words of [
    ['network', '--help'],
    ['help', 'network'],
    ['--help', 'network'],
  ])
    t.is((await cloister(words)).stdout, stdout)
  const own = await cloister(['network', 'create', '--help'])
  t.regex(own.stdout, /^cloister network create \[OPTIONS\] NAME\n/)
  t.deepEqual(await cloister(['help', 'network', 'create']), own)
  for (const [word, hint] of [
    ['remove', /Did you mean "cloister network rm"/],
    ['lss', /Did you mean "cloister network ls"/],
    ['connect', /There are: network create, network ls, network inspect, network rm\./],
  ] as const) {
    const wrong = await cloister(['network', word, 'x'])
    t.is(wrong.status, 125)
    t.regex(wrong.stderr, hint)
  }
})

test('an option in front of the command is answered with where it belongs, help there is help', async (t) => {
  const cloister = commandLine(t)
  const { status, stderr } = await cloister(['--json', 'ps'])
  t.is(status, 125)
  t.regex(stderr, /Options of a command follow it: "cloister ps --json"\./)
  t.deepEqual(await cloister(['--help', 'ps']), await cloister(['ps', '--help']))
})

test('the overview has every command once, in groups', (t) => {
  const members = groupsOf(COMMANDS).flatMap((group) => group.members)
  t.deepEqual(members.map(({ name }) => name).sort(), SHOWN.map(({ name }) => name).sort())
  const help = overviewHelp(COMMANDS)
  for (const { name, describe } of SHOWN)
    t.regex(help, new RegExp(`^  cloister ${name} +${describe.slice(0, 20)}`, 'm'))
  t.regex(help, /^Steer instances:$/m)
})

test('help fits the terminal; only examples and usage lines may be longer, to be copied whole', (t) => {
  for (const columns of [60, 80, 110]) {
    for (const command of SHOWN) {
      const [usage = '', ...rest] = commandHelp(command, columns).split('\n\n')
      t.true(usage.startsWith('cloister '))
      const lines = rest.filter((part) => !part.startsWith('Examples:')).flatMap((part) => part.split('\n'))
      const long = lines.filter((line) => line.length > columns && !/^\S+$/.test(line.trim()))
      t.deepEqual(long, [], `${command.name} at ${columns}`)
    }
  }
})
