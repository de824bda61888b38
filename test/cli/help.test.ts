/** The words of the command table: one voice, and examples that can be typed. */
import test from 'ava'
import { COMMANDS } from '../../src/cli/command-table.ts'
import { commandHelp, fullParse } from '../../src/cli/full-parse.ts'
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
      for (const [word = '', ...args] of cloisterLines(line)) {
        const command = SHOWN.find((candidate) => candidate.name === word)
        if (command) await t.notThrowsAsync(fullParse(command, args), line)
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
      if (value !== undefined) t.regex(value, /^[A-Z]+$|^K\[=V\]$|^exits\[:FILE\]$/, `${name} --${option}`)
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
    const help = await commandHelp(command)
    t.true(help.startsWith(`cloister ${name} ${usage}`), name)
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
    ['start', /Did you mean "cloister run"/],
    ['pull', /no images yet/],
    ['exec', /runs one program/],
  ] as const) {
    const { status, stderr } = await cloister([word, 'x'])
    t.is(status, 125)
    t.regex(stderr, hint)
  }
})
