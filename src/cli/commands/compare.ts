/** `cloister compare`: one program at every isolation level, side by side, all of it measured now. */
import { UsageError } from '../../errors.ts'
import { resolveSource } from '../../image/source.ts'
import { ISOLATION_LEVELS, type Isolation } from '../../instance/run-spec.ts'
import { type CommandContext, flag, text } from '../command.ts'
import { presentComparison } from '../comparison-table.ts'
import { DEFAULT_PATH } from '../environment.ts'
import { parseWhole } from '../quantities.ts'
import { DEFAULT_MEMORY, parseMemory } from '../run-request.ts'
import { print, printError } from '../terminal.ts'

const DEFAULT_RUNS = '5'
const MOST_RUNS = 1000

export async function run({ arguments: parsed }: CommandContext): Promise<number> {
  const { operands } = parsed
  const rootfs = text(parsed, 'rootfs')
  const levels = parseLevels(text(parsed, 'levels'))
  const memory = text(parsed, 'memory') ?? DEFAULT_MEMORY
  parseMemory(memory)
  const runs = parseWhole(text(parsed, 'runs') ?? DEFAULT_RUNS, { what: 'the number of runs', min: 1, max: MOST_RUNS })
  const root = rootfs === undefined ? {} : { rootfs }
  // A source that one level refuses is refused before anything is measured.
  for (const isolation of levels) resolveSource({ isolation, operands, ...root, cwd: '/', searchPath: DEFAULT_PATH })

  const { compare } = await import('../../compare/compare.ts')
  const quiet = flag(parsed, 'json') || process.stderr.isTTY !== true
  const comparison = await compare({
    runArgs: [...(rootfs === undefined ? [] : ['--rootfs', rootfs]), ...operands],
    levels,
    runs,
    memory,
    ...(quiet ? {} : { progress: (what: string) => printError(`cloister: ${what}`) }),
  })
  print(flag(parsed, 'json') ? JSON.stringify(comparison, undefined, 2) : presentComparison(comparison))
  return comparison.sameOutcome ? 0 : 1
}

function parseLevels(asked: string | undefined): readonly Isolation[] {
  if (asked === undefined) return ISOLATION_LEVELS
  return [...new Set(asked.split(','))].map((name) => {
    const level = ISOLATION_LEVELS.find((candidate) => candidate === name)
    if (level) return level
    throw new UsageError(`Cannot compare the level "${name}": there is none of that name.`, {
      hint: `The levels are ${ISOLATION_LEVELS.join(',')}.`,
    })
  })
}
