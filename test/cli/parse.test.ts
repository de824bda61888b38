import test from 'ava'
import fc from 'fast-check'
import type { Command } from '../../src/cli/command.ts'
import { COMMANDS } from '../../src/cli/command-table.ts'
import { fullParse } from '../../src/cli/full-parse.ts'
import { quickParse } from '../../src/cli/quick-parse.ts'
import { UsageError } from '../../src/errors.ts'

const command = (name: string): Command => COMMANDS.find((candidate) => candidate.name === name)!
const run = command('run')

test('run stops reading options at SOURCE: what follows belongs to the program', (t) => {
  t.deepEqual(quickParse(run, ['--rm', '--memory', '64M', './prog', '--memory', '1G', '-e', 'x']), {
    options: { rm: true, memory: '64M' },
    operands: ['./prog', '--memory', '1G', '-e', 'x'],
  })
})

test('a value may follow after a blank or after =, and the last one counts', (t) => {
  t.deepEqual(quickParse(run, ['--memory=64M', '--memory', '32M', './prog'])?.options, { memory: '32M' })
  t.deepEqual(quickParse(run, ['--append=a=b -c', './prog'])?.options, { append: 'a=b -c' })
})

test('-e gathers', (t) => {
  t.deepEqual(quickParse(run, ['-e', 'A=1', '--env=B=2', '-e', 'C', './prog'])?.options, { env: ['A=1', 'B=2', 'C'] })
})

test('-- ends the options before SOURCE', (t) => {
  t.deepEqual(quickParse(run, ['--rm', '--', './prog', '--', 'x'])?.operands, ['./prog', '--', 'x'])
})

test('the quick parser leaves everything it does not know to the other one', (t) => {
  const left = [
    ['--help'],
    ['-h'],
    [],
    ['--rm'],
    ['--nope', './p'],
    ['--memory'],
    ['--rm=yes', './p'],
    ['-ie', 'A=1', './p'],
  ]
  for (const args of left) t.is(quickParse(run, args), undefined, args.join(' '))
  t.is(quickParse(command('rm'), ['web', '-f']), undefined)
  t.is(quickParse(command('ps'), ['web']), undefined)
})

test('options of other commands may follow their operands', async (t) => {
  t.deepEqual(await fullParse(command('rm'), ['web', '-f', 'db']), {
    options: { force: true },
    operands: ['web', 'db'],
  })
})

test('short switches may share a dash', async (t) => {
  t.deepEqual(await fullParse(run, ['-ie', 'A=1', './p']), {
    options: { interactive: true, env: ['A=1'] },
    operands: ['./p'],
  })
})

test('what follows an option that takes a value is the value, also when it begins with a dash', async (t) => {
  for (const args of [
    ['--append', '-- /bin/init', './p'],
    ['--append=-- /bin/init', './p'],
  ]) {
    const expected = { options: { append: '-- /bin/init' }, operands: ['./p'] }
    t.deepEqual(quickParse(run, args), expected)
    t.deepEqual(await fullParse(run, args), expected)
  }
  t.deepEqual(await fullParse(run, ['-ie', '--rm', './p', '-e', 'x']), {
    options: { interactive: true, env: ['--rm'] },
    operands: ['./p', '-e', 'x'],
  })
})

test('what docker has and run has not yet is called that, not unknown', async (t) => {
  for (const [word, hint] of [
    ['--mount', /-v SRC:DST/],
    ['-p', /No port of the host leads inside yet/],
  ] as const) {
    const error = await t.throwsAsync(fullParse(run, [word, './p']), { instanceOf: UsageError })
    t.regex(error?.message ?? '', /is not there yet\.$/)
    t.regex((error as UsageError).hint ?? '', hint)
  }
})

test("--network is docker's spelling of --net", async (t) => {
  for (const args of [
    ['--network', 'n1', './p', '--network', 'n2'],
    ['--network=n1', './p', '--network', 'n2'],
    ['--net', 'n0', '--network', 'n1', './p', '--network', 'n2'],
  ]) {
    const expected = { options: { net: 'n1' }, operands: ['./p', '--network', 'n2'] }
    t.deepEqual(quickParse(run, args), expected)
    t.deepEqual(await fullParse(run, args), expected)
  }
  await t.throwsAsync(fullParse(run, ['--network']), { instanceOf: UsageError, message: /--net needs a value/ })
})

test('a value that is missing is asked for, an empty one is a value', async (t) => {
  const error = await t.throwsAsync(fullParse(run, ['--rm', '--memory']), { instanceOf: UsageError })
  t.is(error?.message, 'Cannot read the command line: --memory needs a value.')
  for (const args of [
    ['--append', '', './p'],
    ['--append=', './p'],
  ]) {
    const expected = { options: { append: '' }, operands: ['./p'] }
    t.deepEqual(quickParse(run, args), expected)
    t.deepEqual(await fullParse(run, args), expected)
  }
})

test('an unknown option is named, with the one that was meant', async (t) => {
  const error = await t.throwsAsync(fullParse(run, ['--memry', '1', './p']), { instanceOf: UsageError })
  t.is(error?.message, 'Cannot read the command line: run has no option --memry.')
  t.is((error as UsageError).hint, 'Did you mean --memory?')
})

test('a missing value, a missing SOURCE and a word too many are refused', async (t) => {
  await t.throwsAsync(fullParse(run, ['./p', '--memory'].reverse()), { instanceOf: UsageError })
  await t.throwsAsync(fullParse(run, ['--memory']), { instanceOf: UsageError })
  await t.throwsAsync(fullParse(run, ['--rm']), { instanceOf: UsageError })
  await t.throwsAsync(fullParse(command('ps'), ['web']), { instanceOf: UsageError })
})

const word = fc.stringMatching(/^[A-Za-z0-9_./:=,]{1,12}$/)
/** What comes after an option that takes one, whatever it looks like. */
const value = fc.oneof(word, fc.stringMatching(/^[-A-Za-z0-9_./:=, ]{1,12}$/), fc.constantFrom('-', '--', '--rm', '-e'))
const optionOf = ({ options }: Command) =>
  fc.constantFrom(...options.filter(({ name }) => name !== 'help')).chain(({ name, short, value: takes }) => {
    if (takes === undefined) return fc.constant<string[]>([`--${name}`])
    const separate = value.map((text): string[] => [`--${name}`, text])
    const joined = value.map((text): string[] => [`--${name}=${text}`])
    return short === undefined
      ? fc.oneof(separate, joined)
      : fc.oneof(
          separate,
          joined,
          value.map((text): string[] => [`-${short}`, text]),
        )
  })

test('where both parsers have an answer it is the same one', async (t) => {
  const lines = fc.tuple(
    fc.array(optionOf(run), { maxLength: 6 }),
    fc.array(fc.oneof(word, fc.constantFrom('--', '--rm', '-x')), { maxLength: 4 }),
  )
  let compared = 0
  await fc.assert(
    fc.asyncProperty(lines, async ([options, rest]) => {
      const args = [...options.flat(), './prog', ...rest]
      const quick = quickParse(run, args)
      if (quick === undefined) return false
      compared++
      t.deepEqual(await fullParse(run, args), quick)
      return true
    }),
    { numRuns: 150 },
  )
  t.true(compared >= 150)
})

test('whatever words come, the parsers answer or throw a UsageError', async (t) => {
  const anyWord = fc.oneof(
    fc.string(),
    word,
    fc.constantFrom('-', '--', '---', '-=', '--=', '--__proto__', '--constructor=1', '-e', '--env', '--toString'),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(anyWord, { maxLength: 5 }), async (args) => {
      quickParse(run, args)
      try {
        await fullParse(run, args)
      } catch (error) {
        if (!(error instanceof UsageError)) throw error
      }
    }),
    { numRuns: 150 },
  )
  t.pass()
})
