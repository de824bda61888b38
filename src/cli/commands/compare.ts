/** `cloister compare`: one program at every isolation level, side by side, all of it measured now. */
import type { CompareOptions } from '../../compare/compare.ts'
import { type Comparison, PARTS, type Part } from '../../compare/comparison.ts'
import { EXIT, UsageError } from '../../errors.ts'
import { resolveSource } from '../../image/source.ts'
import { ISOLATION_LEVELS, type Isolation } from '../../instance/run-spec.ts'
import { checkReplaceable, replaceFile } from '../atomic-file.ts'
import { type CommandContext, flag, type ParsedArguments, text } from '../command.ts'
import { presentComparison } from '../comparison-table.ts'
import { DEFAULT_PATH } from '../environment.ts'
import { createProgress } from '../progress.ts'
import { parseWhole } from '../quantities.ts'
import { DEFAULT_MEMORY, parseMemory } from '../run-request.ts'
import { print, printError } from '../terminal.ts'

const DEFAULT_RUNS = '5'
const MOST_RUNS = 1000
const QUICK_PARTS: readonly Part[] = ['time', 'isolation']

export async function run({ arguments: parsed }: CommandContext): Promise<number> {
  const options = readOptions(parsed)
  const html = text(parsed, 'html')
  // Now, and not after a minute of measuring.
  if (html !== undefined) checkReplaceable(html)
  const json = flag(parsed, 'json')
  const progress = createProgress({ silent: json && !process.stderr.isTTY })
  const outcome = await compareInForeground({ ...options, progress: progress.tell }).finally(progress.end)
  if (typeof outcome === 'number') return outcome
  print(json ? JSON.stringify(outcome, undefined, 2) : presentComparison(outcome))
  if (html !== undefined) await writePage(html, outcome)
  if (outcome.levels.length === 0) return EXIT.cloisterFailed
  return outcome.time?.sameOutcome === false ? 1 : 0
}

function readOptions(parsed: ParsedArguments): Omit<CompareOptions, 'progress' | 'abort'> {
  const { operands } = parsed
  const rootfs = text(parsed, 'rootfs')
  const levels = parseLevels(text(parsed, 'levels'))
  const root = rootfs === undefined ? {} : { rootfs }
  // A source that one level refuses is refused before anything is measured.
  for (const isolation of levels) resolveSource({ isolation, operands, ...root, cwd: '/', searchPath: DEFAULT_PATH })
  return {
    runArgs: [...(rootfs === undefined ? [] : ['--rootfs', rootfs]), ...operands],
    levels,
    parts: parseParts(text(parsed, 'only'), flag(parsed, 'quick')),
    runs: parseWhole(text(parsed, 'runs') ?? DEFAULT_RUNS, { what: 'the number of runs', min: 1, max: MOST_RUNS }),
    memoryBytes: parseMemory(text(parsed, 'memory') ?? DEFAULT_MEMORY),
  }
}

async function writePage(file: string, comparison: Comparison): Promise<void> {
  const { renderComparisonHtml } = await import('../../report/comparison-page.ts')
  replaceFile(file, await renderComparisonHtml(comparison))
  printError(`cloister: the page is in ${file}`)
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
  return pick(asked, ISOLATION_LEVELS, 'compare the level', 'levels')
}

function parseParts(asked: string | undefined, quick: boolean): readonly Part[] {
  if (asked !== undefined && quick) {
    throw new UsageError('Cannot take both --quick and --only: each says what to measure.')
  }
  if (asked === undefined) return quick ? QUICK_PARTS : PARTS
  return pick(asked, PARTS, 'measure the part', 'parts')
}

/** Names of a comma-separated list, each of them once. */
function pick<T extends string>(asked: string, names: readonly T[], verb: string, what: string): readonly T[] {
  return [...new Set(asked.split(','))].map((word) => {
    const name = names.find((candidate) => candidate === word)
    if (name) return name
    throw new UsageError(`Cannot ${verb} "${word}": there is none of that name.`, {
      hint: `The ${what} are ${names.join(',')}.`,
    })
  })
}
