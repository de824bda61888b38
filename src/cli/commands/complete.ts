/**
 * `cloister __complete -- WORDS`: what the completion scripts ask. A line for each candidate, `WORD<TAB>WHAT IT IS`;
 * `:file` or `:directory` as the last line when the shell is to look for paths.
 */
import type { CommandContext } from '../command.ts'
import { COMMANDS } from '../command-table.ts'
import { complete } from '../completion/candidates.ts'
import { instanceCandidates } from '../completion/instance-candidates.ts'
import { networkCandidates } from '../completion/network-candidates.ts'
import { snapshotCandidates } from '../completion/snapshot-candidates.ts'
import { print } from '../terminal.ts'

export async function run({ arguments: { operands } }: CommandContext): Promise<number> {
  const { candidates, paths } = complete(operands, {
    commands: COMMANDS,
    instances: instanceCandidates,
    networks: networkCandidates,
    snapshots: snapshotCandidates,
  })
  const lines = candidates.map(({ word, describe = '' }) => `${word}\t${describe}`)
  if (paths !== undefined) lines.push(`:${paths}`)
  if (lines.length > 0) print(lines.join('\n'))
  return 0
}
