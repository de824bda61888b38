/** `cloister version`. */
import { VERSION } from '../../version.ts'
import { type CommandContext, flag } from '../command.ts'
import { print } from '../terminal.ts'

export async function run({ arguments: parsed }: CommandContext): Promise<number> {
  if (flag(parsed, 'json'))
    print(JSON.stringify({ cloister: VERSION, node: process.versions.node, arch: process.arch }))
  else print(VERSION)
  return 0
}
