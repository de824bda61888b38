/** `cloister help`: the words of --help, or the manual pages made of the same rows. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathFault, UsageError } from '../../errors.ts'
import { type Command, type CommandContext, flag, text } from '../command.ts'
import { COMMANDS } from '../command-table.ts'
import { requireCommandAt } from '../find-command.ts'
import { print } from '../terminal.ts'

export async function run({ arguments: parsed }: CommandContext): Promise<number> {
  const { operands } = parsed
  const directory = text(parsed, 'output')
  if (!flag(parsed, 'man')) {
    if (directory !== undefined) throw misplaced('--output goes with --man')
    const { helpFor } = await import('../help-text.ts')
    print(helpFor(operands))
    return 0
  }
  const command = operands.length === 0 ? undefined : requireCommandAt(operands).command
  const { commandPage, overviewPage, pageName } = await import('../manual.ts')
  const page = (one: Command | undefined): string => (one ? commandPage(one) : overviewPage(COMMANDS))
  if (directory === undefined) print(page(command).trimEnd())
  else if (command) throw misplaced('--output writes the pages of all commands')
  else writePages(directory, [undefined, ...COMMANDS.filter(({ hidden }) => !hidden)], { page, pageName })
  return 0
}

const misplaced = (what: string): UsageError =>
  new UsageError(`Cannot write manual pages: ${what}.`, { hint: 'Write cloister help --man --output DIR.' })

function writePages(
  directory: string,
  pages: readonly (Command | undefined)[],
  { page, pageName }: { page: (command: Command | undefined) => string; pageName: (command: Command) => string },
): void {
  try {
    if (!existsSync(directory)) mkdirSync(directory)
    for (const one of pages) {
      const path = join(directory, `${one ? pageName(one) : 'cloister'}.1`)
      writeFileSync(path, page(one))
      print(path)
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).syscall === undefined) throw cause
    throw new UsageError(`Cannot write manual pages to ${directory}: ${pathFault(cause)}.`, { cause })
  }
}
