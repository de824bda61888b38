/** Manual pages: made of the rows of the commands, and sound mdoc(7) to the programs that read it. */
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { COMMANDS } from '../../src/cli/command-table.ts'
import { commandPage, overviewPage, pageName } from '../../src/cli/manual.ts'
import { argument, block, text } from '../../src/cli/mdoc.ts'
import { commandLine } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const test = anyTest
const SHOWN = COMMANDS.filter(({ hidden }) => !hidden)
const PAGES = [overviewPage(COMMANDS), ...SHOWN.map(commandPage)]

/** Programs that read manual pages and complain: what they say, which is nothing when all is well. */
const READERS = {
  mandoc: ['mandoc', '-Tlint', '-Wwarning'],
  groff: ['groff', '-mandoc', '-ww', '-z', '-Tutf8'],
} as const

function complaints(reader: keyof typeof READERS, page: string): string {
  const [command, ...args] = READERS[reader]
  const { stdout, stderr, error } = spawnSync(command, args, { input: page, encoding: 'utf8' })
  if (error) throw error
  return stdout + stderr
}

const isThere = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

function readerTest(title: string, reader: keyof typeof READERS, work: (t: ExecutionContext) => void): void {
  if (isThere(reader)) test(title, work)
  else test.skip(`${title} (skipped: ${reader} is not installed)`, work)
}

for (const reader of ['mandoc', 'groff'] as const) {
  readerTest(`${reader} has nothing to say against any page`, reader, (t) => {
    t.not(complaints(reader, '.Dd\n.Sh \n.It nowhere\n.NoSuchMacro\n'), '')
    for (const page of PAGES) t.is(complaints(reader, page), '', page.slice(0, 200))
  })
}

readerTest('what is shown is what was written: dashes, backslashes, dots, quotes, names of macros', 'mandoc', (t) => {
  const line = `.run --env 'A=\\n' -e "B" Nm Op .Sh \\fBbold\\fP`
  const page = `.Dd November 22, 2026\n.Dt X 1\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Sh EXAMPLES\n${block(line).join('\n')}\n`
  const { stdout } = spawnSync('mandoc', ['-Tascii'], { input: page, encoding: 'utf8' })
  t.true(stdout.includes(line), stdout)
})

test('every command has a page, and every page all options and examples of its command', (t) => {
  t.is(PAGES.length, SHOWN.length + 1)
  for (const command of SHOWN) {
    const page = commandPage(command).replaceAll('\\-', '-')
    for (const { name, short } of command.options) {
      t.regex(page, new RegExp(`^\\.It .*Fl -${name}( |$)`, 'm'))
      if (short !== undefined) t.regex(page, new RegExp(`^\\.It Fl ${short} `, 'm'))
    }
    for (const [line] of command.examples) t.true(page.includes(`\n${line}\n`), line)
    t.true(overviewPage(COMMANDS).includes(`.It Xr ${pageName(command).replaceAll('-', '\\-')} 1\n`))
  }
})

test('no text becomes a request, whatever it says', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...`.'\\-" aZ\t(`) }), (words) => {
      const lines = [...text(words), ...block(words).slice(1, -1)]
      t.false(lines.some((line) => /^[.']/.test(line)))
      t.false(lines.some((line) => /(^|[^\\])-/.test(line)))
      t.false(lines.some((line) => /\\(?![-e&(])/.test(line)))
    }),
  )
  t.is(argument('Nm'), '\\&Nm')
  t.is(argument('two words'), '"two words"')
  t.is(argument('a "b"'), '"a \\(dqb\\(dq"')
})

test('help --man prints a page, and with --output writes them all', async (t) => {
  const cloister = commandLine(t)
  const { stdout } = await cloister(['help', '--man', 'run'])
  t.true(stdout.startsWith('.Dd '))
  t.regex(stdout, /^\.Dt CLOISTER\\-RUN 1$/m)
  const directory = join(temporaryDirectory(t), 'man1')
  const { status, stdout: written } = await cloister(['help', '--man', '--output', directory])
  t.is(status, 0)
  const files = readdirSync(directory)
  t.deepEqual(files.sort(), ['cloister.1', ...SHOWN.map(({ name }) => `cloister-${name.replace(' ', '-')}.1`)].sort())
  t.is(written.trim().split('\n').length, files.length)
  t.is(readFileSync(join(directory, 'cloister-run.1'), 'utf8'), stdout)
})

test('options that do not go together, and a place that cannot be written, are said', async (t) => {
  const cloister = commandLine(t)
  for (const [args, message] of [
    [['--output', '/tmp'], /--output goes with --man/],
    [['--man', '--output', '/tmp', 'run'], /pages of all commands/],
    [['--man', '--output', '/proc/nowhere'], /Cannot write manual pages to \/proc\/nowhere: there is no such/],
    [['--man', 'rnu'], /no command "rnu"/],
  ] as const) {
    const { status, stderr } = await cloister(['help', ...args])
    t.is(status, 125)
    t.regex(stderr, message)
  }
})
