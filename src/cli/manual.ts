/** Manual pages in mdoc(7), from the rows that --help is made of. */
import { VERSION } from '../version.ts'
import type { Command, OptionRow } from './command.ts'
import { argument, block, macro, text } from './mdoc.ts'
import { groupsOf, OVERVIEW, OVERVIEW_EXAMPLES } from './overview.ts'

/** mdoc wants a day, and a build that asks the clock makes another file each time. Changed when the texts are. */
const DAY = 'November 22, 2026'

const EXIT_STATUS: readonly (readonly [status: string, meaning: string])[] = [
  ['0\u2013123', "The program's own, as is any other that it chose."],
  ['124', 'The time limit.'],
  ['125', 'Cloister failed, the command line is wrong, or the guest died.'],
  ['126', 'The program cannot be executed.'],
  ['127', 'The program was not found.'],
  ['128+n', 'Ended by signal n.'],
  ['137', 'Out of memory, or SIGKILL.'],
]

const ENVIRONMENT: readonly (readonly [name: string, meaning: string])[] = [
  ['CLOISTER_ROOT', 'A directory of your own, by its absolute path, that keeps all state.'],
  ['NO_COLOR', 'When set and not empty, no colours.'],
]

const FILES: readonly (readonly [path: string, what: string])[] = [
  ['/run/cloister', 'Instances, for root; $XDG_RUNTIME_DIR/cloister for others.'],
  ['/var/lib/cloister', 'What outlives a boot, for root; $XDG_DATA_HOME/cloister for others.'],
]

/** `cloister-network-create`, as git and docker name theirs. */
export const pageName = ({ name }: Command): string => `cloister-${name.replaceAll(' ', '-')}`

export function commandPage(command: Command): string {
  const { name, usage, describe, options, examples, epilogue } = command
  return page(pageName(command), describe, [
    section('SYNOPSIS', synopsis(`cloister ${name}`, usage)),
    section('DESCRIPTION', text(`${describe}.${epilogue === undefined ? '' : ` ${epilogue.replaceAll('\n', ' ')}`}`)),
    section('OPTIONS', optionList(options)),
    section('EXAMPLES', exampleList(examples)),
    section('SEE ALSO', [macro('Xr', 'cloister', '1')]),
  ])
}

export function overviewPage(commands: readonly Command[]): string {
  const groups = groupsOf(commands).flatMap(({ title, members }) => [
    macro('Ss', title),
    ...list(members.map((one) => [macro('Xr', pageName(one), '1'), `${one.describe}.`])),
  ])
  return page('cloister', 'run a program in a container or a virtual machine of its own, and compare them', [
    section('SYNOPSIS', synopsis('cloister', 'COMMAND [OPTIONS]  |  --version  |  --help')),
    section('DESCRIPTION', text(OVERVIEW)),
    section('COMMANDS', groups),
    section('ENVIRONMENT', list(ENVIRONMENT.map(([name, what]) => [macro('Ev', name), what]))),
    section('FILES', list(FILES.map(([path, what]) => [macro('Pa', path), what]))),
    section('EXIT STATUS', list(EXIT_STATUS.map(([status, what]) => [macro('Li', status), what]))),
    section('EXAMPLES', exampleList(OVERVIEW_EXAMPLES)),
  ])
}

function page(name: string, describe: string, sections: readonly (readonly string[])[]): string {
  const lines = [
    macro('Dd', ...DAY.split(' ')),
    macro('Dt', name.toUpperCase(), '1'),
    macro('Os', 'Cloister', VERSION),
    ...section('NAME', [macro('Nm', name), macro('Nd', lowerFirst(describe))]),
    ...sections.flat(),
  ]
  return `${lines.join('\n')}\n`
}

const section = (title: string, lines: readonly string[]): string[] => [macro('Sh', ...title.split(' ')), ...lines]

/** Alternatives of a usage line are two blanks and a bar apart. */
const synopsis = (command: string, usage: string): string[] =>
  usage.split(/ {2}\| {2}/).flatMap((one) => [macro('Nm', command), ...text(one)])

const optionList = (options: readonly OptionRow[]): string[] =>
  list(
    options.map(({ name, short, value, describe }) => {
      const taken = value === undefined ? '' : ` Ar ${argument(value)}`
      const alone = short === undefined ? '' : ` Fl ${argument(short)}${taken} ,`
      return [`.${alone} Fl ${argument(`-${name}`)}${taken}`, `${describe}.`]
    }),
  )

/** Each a tag, which is a line of macros, and what it stands for. */
const list = (entries: readonly (readonly [tag: string, what: string])[]): string[] => [
  '.Bl -tag -width Ds',
  ...entries.flatMap(([tag, what]) => [`.It ${tag.slice(1).trimStart()}`, ...text(what)]),
  '.El',
]

const exampleList = (examples: Command['examples']): string[] =>
  examples.flatMap(([line, what], at) => [
    ...(at === 0 ? [] : ['.Pp']),
    ...text(`${upperFirst(what)}:`),
    ...block(line),
  ])

const lowerFirst = (words: string): string => words.charAt(0).toLowerCase() + words.slice(1)
const upperFirst = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1)
