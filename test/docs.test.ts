/** The documents: links lead somewhere, files that are named exist, commands can be typed, errors are really said. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import test from 'ava'
import { COMMANDS } from '../src/cli/command-table.ts'
import { commandAt, membersOf } from '../src/cli/find-command.ts'
import { fullParse } from '../src/cli/full-parse.ts'
import { PORTS, virtioSlot } from '../src/machine/device-table.ts'
import * as memoryMap from '../src/memory/memory-map.ts'
import { packageRoot } from '../src/paths.ts'
import { cloisterLines } from './helpers/command-lines.ts'

const SKIPPED = new Set(['node_modules', 'build', 'dist', '.git'])

function* files(directory: string, ending: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue
    const path = join(directory, entry.name)
    if (entry.isDirectory()) yield* files(path, ending)
    else if (entry.name.endsWith(ending)) yield path
  }
}

const read = (path: string): string => readFileSync(join(packageRoot, path), 'utf8')
/** What stands between two fences, and what between two backticks in the rest. */
const fences = (text: string): string[] => [...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].map(([, block]) => block!)
const inline = (text: string): string[] =>
  [...text.replace(/^```\w*\n[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, code]) =>
    code!.replaceAll('\\|', '|'),
  )

for (const path of files(packageRoot, '.md')) {
  const name = relative(packageRoot, path)
  const text = readFileSync(path, 'utf8')

  test(`every link of ${name} leads somewhere`, (t) => {
    const links = text.matchAll(/\]\(([^)#\s]+)[^)]*\)|(?:href|src)="([^"#]+)/g)
    const targets = [...links].map(([, target, attribute]) => target ?? attribute!)
    const dead = targets.filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(dirname(path), target)))
    t.deepEqual(dead, [])
  })

  test(`nothing in ${name} waits to be filled in`, (t) => {
    t.notRegex(text, /^[A-Z]+_(TABLE|OUTPUT)$|\bTODO\b|\bTBD\b/m)
  })

  test(`every file that ${name} names exists`, (t) => {
    const named = [...inline(text), ...fences(text).flatMap((block) => block.split(/[\s`'"()]+/))]
    const missing = named.filter((word) => isPathOfOurs(word) && !existsSync(join(packageRoot, word)))
    t.deepEqual(missing, [])
  })

  test(`every cloister command in ${name} can be typed`, async (t) => {
    const wrong: string[] = []
    const fragments = inline(text).filter((code) => /^(\$ )?(bin\/)?cloister /.test(code))
    for (const [lines, whole] of [
      [fragments, false],
      [shellLines(text), true],
    ] as const) {
      for (const line of lines) {
        for (const words of cloisterLines(line)) {
          const fault = await faultOf(words, whole)
          if (fault !== undefined) wrong.push(`${line}: ${fault}`)
        }
      }
    }
    t.deepEqual(wrong, [])
  })
}

const TOP_FOLDERS = /^(src|kvm-bindings|guest-kernel|rootfs|test|bench|scripts|docs|bin|completion)\/[\w./-]+$/
/** What a build makes is there after it only. */
const isPathOfOurs = (word: string): boolean => TOP_FOLDERS.test(word) && !word.includes('/build/')

/** Lines of fences that a person would type: after a prompt, or where there is none, with the command at their beginning. */
function shellLines(text: string): string[] {
  return fences(text).flatMap((block) => {
    const lines = block.replaceAll('\\\n', ' ').split('\n')
    const prompted = lines.filter((line) => line.startsWith('$ '))
    const typed = prompted.length > 0 ? prompted : lines.filter((line) => /^(sudo |time )?(bin\/)?cloister /.test(line))
    return typed.map(withoutRemark)
  })
}

/** In a list of commands, what they do stands beside them, three blanks or more away. */
const withoutRemark = (line: string): string => line.replace(/^\$ /, '').replace(/(\S) {3,}.*$/, '$1')

/** @param whole false for a piece of a command in running text, which may leave out what it is about */
async function faultOf(words: readonly string[], whole: boolean): Promise<string | undefined> {
  // Placeholders of a synopsis: the name of the command is what can be checked.
  const [first, ...others] = words
  const synopsis = others.some((word) => /^\[|\]$|^\w+(\|\w+)+$|^\.\.\.$/.test(word))
  if (first === undefined || /^(COMMAND|--help|--version|-h|-v)$/.test(first)) return undefined
  if (others.length === 0 && membersOf(first).length > 0) return undefined
  const found = commandAt(words)
  if (!found) return synopsis && membersOf(first).length > 0 ? undefined : `there is no command ${first}`
  const { command, rest: args } = found
  if (synopsis || args.length === 0) return undefined
  try {
    await fullParse(command, args)
    return undefined
  } catch (error) {
    const { message } = error as Error
    return whole || !message.endsWith('needs more words.') ? message : undefined
  }
}

test('the command reference has every command with all its options, and no option that is not there', (t) => {
  const text = read('docs/command-line.md')
  const everywhere = text.slice(0, text.indexOf('\n## '))
  const sections = new Map(text.split(/^##+ /m).map((part) => [part.split('\n', 1)[0]!, part]))
  for (const { name, options, hidden } of COMMANDS) {
    if (hidden) {
      t.false(text.includes(`cloister ${name} `), name)
      continue
    }
    t.true(everywhere.includes(`\ncloister ${name} `), name)
    const section = sections.get(name) ?? ''
    t.not(section, '', name)
    for (const { name: option, short } of options) {
      const found = section.includes(`--${option}`) || everywhere.includes(`\`--${option}`)
      t.true(found, `${name} --${option}`)
      if (short !== undefined) t.true(`${section}${everywhere}`.includes(`\`-${short}\``), `${name} -${short}`)
    }
    const named = [...section.matchAll(/(?<=[`, (])--([a-z][a-z-]*)/g)].map(([, option]) => option!)
    const known = new Set(COMMANDS.flatMap((command) => command.options.flatMap(({ name, alias }) => [name, alias])))
    t.deepEqual(
      named.filter((option) => !known.has(option)),
      [],
      name,
    )
  }
})

test('every error that the troubleshooting page quotes is one that Cloister gives', (t) => {
  const sources = [
    ...files(join(packageRoot, 'src'), '.ts'),
    ...files(join(packageRoot, 'guest-kernel/personality'), '.c'),
    join(packageRoot, 'bin/cloister'),
  ].map((path) => readFileSync(path, 'utf8'))
  const templates = sources.flatMap((source) =>
    [...source.matchAll(/(['"`])(?:cloister: )?((?:Cannot|The|unikernel: |\$\{program\} in) ?.*?)\1/g)].map(
      ([, , template]) => template!,
    ),
  )
  const patterns = templates.map(patternOf)
  const isSaid = (line: string): boolean =>
    patterns.some((pattern) => pattern.test(line)) &&
    fixedWords(line).every((words) => sources.some((source) => source.includes(words)))
  t.true(patterns.length > 100)
  t.false(isSaid('Cannot fry an egg: it is raw.'))
  t.false(isSaid('Cannot keep state in /tmp: others can eat it.'))
  const quoted = fences(read('docs/troubleshooting.md'))
    .flatMap((block) => block.split('\n'))
    .filter((line) => line.startsWith('cloister: '))
    .map((line) => line.slice('cloister: '.length))
  t.true(quoted.length > 25)
  t.deepEqual(
    quoted.filter((line) => !isSaid(line)),
    [],
  )
})

/** What a template of the source says, whatever is put into it. */
function patternOf(template: string): RegExp {
  const parts = template.split(/\$\{(?:[^{}]|\{[^}]*\})*\}/)
  return new RegExp(`^${parts.map((part) => part.replaceAll(/[^\w\s]/g, '\\$&')).join('.+')}`)
}

/** Runs of words without names, paths, numbers and codes, which differ from one time to the next. */
const fixedWords = (line: string): string[] =>
  line
    .split(/"[^"]*"|\S*[/_]\S*|\S*\d\S*(?: MiB| s\b)?|\b[A-Z]{3,}\b|: |[.,();]|instance|\b(?:remove|pause|stop)\b/)
    .map((words) => words.trim())
    .filter((words) => words.length >= 12)

const hex = (value: number): string => `0x${value.toString(16)}`

test('the memory map in the architecture page is the one of the code', (t) => {
  const constants = memoryMap as unknown as Record<string, number>
  const rows = [...read('docs/architecture.md').matchAll(/^ +(0x[0-9a-f]+) │ .* │ {2}([A-Z_]+)$/gm)]
  const drawn = Object.fromEntries(rows.map(([, address, constant]) => [constant, address]))
  const expected = Object.keys(constants).filter((name) => /_(GPA|START|END)$/.test(name))
  t.deepEqual(Object.keys(drawn).sort(), expected.sort())
  for (const [constant, address] of Object.entries(drawn)) t.is(address, hex(constants[constant]!), constant)
})

test('the device table in the architecture page is the one of the code', (t) => {
  const text = read('docs/architecture.md')
  for (const { base, size } of Object.values(PORTS)) {
    const range = size === 1 ? `port ${hex(base)} ` : `ports ${hex(base)} to ${hex(base + size - 1)} `
    t.true(text.includes(`| ${range}`), range)
  }
  t.regex(text, new RegExp(`16550 serial.*\\| ${PORTS.serial.gsi} +\\|`))
  const [first, second] = [virtioSlot(0), virtioSlot(1)]
  t.true(text.includes(`| ${hex(first.gpa)} + n * ${hex(second.gpa - first.gpa)} `))
  t.true(text.includes(`| ${first.gsi} + n `))
})

test('every page is listed in the index of the documents', (t) => {
  const index = read('docs/README.md')
  const pages = readdirSync(join(packageRoot, 'docs')).filter((name) => name.endsWith('.md') && name !== 'README.md')
  t.deepEqual(
    pages.filter((name) => !index.includes(`(${name})`)),
    [],
  )
})

test('every folder of the sources is in the picture of the architecture page', (t) => {
  const text = read('docs/architecture.md')
  const folders = readdirSync(join(packageRoot, 'src'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  t.true(folders.length > 10)
  t.deepEqual(
    folders.filter(({ name }) => !text.includes(`src/${name}`)).map(({ name }) => name),
    [],
  )
})
