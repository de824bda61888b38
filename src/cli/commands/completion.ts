/** `cloister completion`: prints the script (completion/) that teaches a shell our commands. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HostError, pathFault, UsageError } from '../../errors.ts'
import { packageRoot } from '../../paths.ts'
import type { CommandContext } from '../command.ts'
import { COMPLETION_SHELLS } from '../completion/shells.ts'
import { print } from '../terminal.ts'

/** In each script it stands for this very command, quoted. */
const PLACE_OF_COMMAND = '@CLOISTER@'

export async function run({ arguments: { operands } }: CommandContext): Promise<number> {
  const [shell] = operands
  const known = COMPLETION_SHELLS.find((name) => name === shell)
  if (known === undefined) {
    throw new UsageError(`Cannot print completion for "${shell}": there is none for that shell.`, {
      hint: `The shells are ${COMPLETION_SHELLS.join(', ')}.`,
    })
  }
  const quote = known === 'fish' ? fishQuote : shellQuote
  print(
    script(known)
      .trimEnd()
      .replaceAll(PLACE_OF_COMMAND, () => quote(join(packageRoot, 'bin/cloister'))),
  )
  return 0
}

function script(shell: string): string {
  const path = join(packageRoot, `completion/cloister.${shell}`)
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new HostError(`Cannot read ${path}: ${pathFault(cause)}.`, { hint: 'Install Cloister anew.', cause })
  }
}

/** POSIX: nothing is special between single quotes but the single quote. */
const shellQuote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/** The backslash is special there as well. */
const fishQuote = (text: string): string => `'${text.replaceAll(/[\\']/g, '\\$&')}'`
