/** `cloister compare`: one program at every isolation level, side by side, all of it measured now. */
import type { CompareOptions, Comparison } from '../../compare/compare.ts'
import { EXIT, UsageError } from '../../errors.ts'
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
  const memoryBytes = parseMemory(text(parsed, 'memory') ?? DEFAULT_MEMORY)
  const runs = parseWhole(text(parsed, 'runs') ?? DEFAULT_RUNS, { what: 'the number of runs', min: 1, max: MOST_RUNS })
  const root = rootfs === undefined ? {} : { rootfs }
  // A source that one level refuses is refused before anything is measured.
  for (const isolation of levels) resolveSource({ isolation, operands, ...root, cwd: '/', searchPath: DEFAULT_PATH })

  const quiet = flag(parsed, 'json') || process.stderr.isTTY !== true
  const outcome = await compareInForeground({
    runArgs: [...(rootfs === undefined ? [] : ['--rootfs', rootfs]), ...operands],
    levels,
    runs,
    memoryBytes,
    ...(quiet ? {} : { progress: (what: string) => printError(`cloister: ${what}`) }),
  })
  if (typeof outcome === 'number') return outcome
  const comparison = outcome
  print(flag(parsed, 'json') ? JSON.stringify(comparison, undefined, 2) : presentComparison(comparison))
  if (comparison.levels.length === 0) return EXIT.cloisterFailed
  return comparison.sameOutcome ? 0 : 1
}

/** With their Linux numbers, signal(7). */
const INTERRUPTS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

/** @returns the exit status when a signal ended it: after the runs that it had started, with nothing left behind. */
async function compareInForeground(options: CompareOptions): Promise<Comparison | number> {
  const { compare } = await import('../../compare/compare.ts')
  const { Interrupted } = await import('../../compare/child.ts')
  const controller = new AbortController()
  const signals = Object.keys(INTERRUPTS) as (keyof typeof INTERRUPTS)[]
  const listeners = signals.map((signal) => ({
    signal,
    listener: () => controller.abort(new Interrupted(signal)),
  }))
  for (const { signal, listener } of listeners) process.on(signal, listener)
  try {
    return await compare({ ...options, abort: controller.signal })
  } catch (error) {
    const { reason } = controller.signal
    if (reason instanceof Interrupted) return 128 + INTERRUPTS[reason.signal as keyof typeof INTERRUPTS]
    throw error
  } finally {
    for (const { signal, listener } of listeners) process.off(signal, listener)
  }
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
