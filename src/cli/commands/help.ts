/** `cloister help`: the words of --help, or the manual pages made of the same rows. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathFault, UsageError } from '../../errors.ts'
import { type Command, type CommandContext, flag, text } from '../command.ts'
import { COMMANDS } from '../command-table.ts'
import { commandNamed } from '../find-command.ts'
import { print } from '../terminal.ts'

export async function run({ arguments: parsed }: CommandContext): Promise<number> {
  const [name] = parsed.operands
  const command = name === undefined ? undefined : commandNamed(name)
  const directory = text(parsed, 'output')
  if (!flag(parsed, 'man')) {
    if (directory !== undefined) throw misplaced('--output goes with --man')
    const { commandHelp, overviewHelp } = await import('../help-text.ts')
    print(command ? commandHelp(command) : overviewHelp(COMMANDS))
    return 0
  }
  const { commandPage, overviewPage } = await import('../manual.ts')
  const page = (one: Command | undefined): string => (one ? commandPage(one) : overviewPage(COMMANDS))
  if (directory === undefined) print(page(command).trimEnd())
  else if (command) throw misplaced('--output writes the pages of all commands')
  else writePages(directory, [undefined, ...COMMANDS.filter(({ hidden }) => !hidden)], page)
  return 0
}

const misplaced = (what: string): UsageError =>
  new UsageError(`Cannot write manual pages: ${what}.`, { hint: 'Write cloister help --man --output DIR.' })

function writePages(
  directory: string,
  pages: readonly (Command | undefined)[],
  page: (command: Command | undefined) => string,
): void {
  try {
    if (!existsSync(directory)) mkdirSync(directory)
    for (const one of pages) {
      const path = join(directory, `cloister${one ? `-${one.name}` : ''}.1`)
      writeFileSync(path, page(one))
      print(path)
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause
    throw new UsageError(`Cannot write manual pages to ${directory}: ${pathFault(cause)}.`, { cause })
  }
}
