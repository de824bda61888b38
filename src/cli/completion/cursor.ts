/** What the words before the cursor leave open: a value, options, or which operand. */
import { type Command, type OptionRow, spells } from '../command.ts'

export interface Cursor {
  /** The option whose value is wanted. */
  readonly wanting?: OptionRow
  /** After `--`, or where the program's own words have begun. */
  readonly optionsEnded: boolean
  readonly operands: readonly string[]
  /** Names of the options there already. */
  readonly given: ReadonlySet<string>
}

/** The words are somebody's half-written line: what makes no sense is passed over. */
export function readCursor(command: Command, words: readonly string[]): Cursor {
  const operands: string[] = []
  const given = new Set<string>()
  let wanting: OptionRow | undefined
  let optionsEnded = false
  for (const word of words) {
    if (wanting) wanting = undefined
    else if (optionsEnded || word === '-' || !word.startsWith('-')) {
      operands.push(word)
      optionsEnded ||= command.stopsAtOperand
    } else if (word === '--') optionsEnded = true
    else {
      const rows = rowsIn(command, word)
      for (const { name } of rows) given.add(name)
      const last = rows.at(-1)
      if (last?.value !== undefined && wantsNextWord(last, word)) wanting = last
    }
  }
  return { ...(wanting ? { wanting } : {}), optionsEnded, operands, given }
}

/** One for `--name` and `--name=value`, one a letter for `-ie`. */
function rowsIn({ options }: Command, word: string): OptionRow[] {
  if (word.startsWith('--')) {
    const name = word.slice(2).split('=', 1)[0]
    return options.filter((row) => row.name === name || row.alias === name)
  }
  const rows: OptionRow[] = []
  for (const letter of word.slice(1)) {
    const row = options.find(({ short }) => short === letter)
    if (row) rows.push(row)
    if (row?.value !== undefined) break
  }
  return rows
}

const wantsNextWord = (row: OptionRow, word: string): boolean =>
  spells(row, word) || (!word.startsWith('--') && word.endsWith(row.short ?? ''))
