/** The texts of --help, laid out for a terminal, from the rows of the commands. Manual pages are manual.ts. */
import { COMMON_OPTIONS, type Command, type OptionRow } from './command.ts'
import { COMMANDS } from './command-table.ts'
import { membersOf, requireCommandAt } from './find-command.ts'
import { groupsOf, OVERVIEW, OVERVIEW_EXAMPLES } from './overview.ts'

const WIDTH_MAX = 110
/** Below this a line that wraps is easier to read than one cut into pieces. */
const WIDTH_MIN = 60
const BETWEEN = 2

/** @param words the name of a command or of a group of them; none for cloister itself @throws UsageError */
export function helpFor(words: readonly string[]): string {
  const [first] = words
  if (first === undefined) return overviewHelp(COMMANDS)
  const members = membersOf(first)
  return members.length > 0 && words.length === 1 ? groupHelp(first, members) : commandHelp(commandNamed(words))
}

const commandNamed = (words: readonly string[]): Command => requireCommandAt(words.join(' ').split(' ')).command

function groupHelp(group: string, members: readonly Command[], columns = terminalWidth()): string {
  const left = Math.max(...members.map(({ name }) => `cloister ${name}`.length))
  return [
    `cloister ${group} COMMAND [OPTIONS]`,
    list(
      'Commands:',
      members.map(({ name, describe }) => [`cloister ${name}`, describe]),
      { left, columns },
    ),
    examplesHelp(members.flatMap(({ examples }) => examples.slice(0, 1))),
    `"cloister ${group} COMMAND --help" says more.`,
  ].join('\n\n')
}

export function commandHelp(command: Command, columns = terminalWidth()): string {
  const { name, usage, describe, options, examples, epilogue } = command
  const own = options.filter((row) => !COMMON_OPTIONS.includes(row))
  const common = options.filter((row) => COMMON_OPTIONS.includes(row))
  // One column of descriptions for both lists.
  const left = Math.max(...options.map((row) => optionWords(row).length))
  return [
    usage
      .split(/ {2}\| {2}/)
      .map((one) => `cloister ${name} ${one}`.trimEnd())
      .join('\n'),
    wrapped(`${describe}.`, columns).join('\n'),
    ...(own.length > 0 ? [optionsHelp('Options:', own, { left, columns })] : []),
    ...(common.length > 0 ? [optionsHelp('Options of every command:', common, { left, columns })] : []),
    examplesHelp(examples),
    ...(epilogue === undefined ? [] : [wrapped(epilogue, columns).join('\n')]),
  ].join('\n\n')
}

export function overviewHelp(commands: readonly Command[], columns = terminalWidth()): string {
  const groups = groupsOf(commands)
  const left = Math.max(...groups.flatMap(({ members }) => members.map(({ name }) => `cloister ${name}`.length)))
  return [
    'cloister COMMAND [OPTIONS]',
    wrapped(OVERVIEW, columns).join('\n'),
    ...groups.map(({ title, members }) =>
      list(
        `${title}:`,
        members.map(({ name, describe }) => [`cloister ${name}`, describe]),
        { left, columns },
      ),
    ),
    examplesHelp(OVERVIEW_EXAMPLES),
    '"cloister COMMAND --help" says more about a command, "cloister --version" which one this is.',
  ].join('\n\n')
}

interface Layout {
  /** Width of the words on the left. */
  readonly left: number
  readonly columns: number
}

const optionsHelp = (title: string, rows: readonly OptionRow[], layout: Layout): string =>
  list(
    title,
    rows.map((row) => [optionWords(row), row.many ? `${row.describe}; may be repeated` : row.describe]),
    layout,
  )

const optionWords = ({ name, short, value }: OptionRow): string =>
  `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`

function list(title: string, entries: readonly (readonly [words: string, what: string])[], layout: Layout): string {
  const indent = BETWEEN + layout.left + BETWEEN
  const lines = entries.flatMap(([words, what]) => {
    const [first, ...rest] = wrapped(what, layout.columns - indent)
    return [`  ${words.padEnd(layout.left)}  ${first}`, ...rest.map((line) => ' '.repeat(indent) + line)]
  })
  return [title, ...lines].join('\n')
}

/** Never broken: a line that is broken cannot be copied. */
function examplesHelp(examples: Command['examples']): string {
  const left = Math.max(...examples.map(([line]) => line.length))
  return ['Examples:', ...examples.map(([line, what]) => `  ${line.padEnd(left)}  ${what}`)].join('\n')
}

/** Lines of the text stay lines. */
const wrapped = (text: string, width: number): string[] => text.split('\n').flatMap((line) => wrapLine(line, width))

function wrapLine(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

function terminalWidth(): number {
  const columns = process.stdout.isTTY ? process.stdout.columns : WIDTH_MAX
  return Math.max(WIDTH_MIN, Math.min(WIDTH_MAX, columns))
}
