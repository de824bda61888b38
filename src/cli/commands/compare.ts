/** `cloister compare`: one program at every isolation level, side by side, all of it measured now. */
import type { CompareOptions } from '../../compare/compare.ts'
import { COMPARED, type Compared, isolationOf } from '../../compare/compared.ts'
import { type Comparison, PARTS, type Part } from '../../compare/comparison.ts'
import { EXIT, UsageError } from '../../errors.ts'
import { resolveSource } from '../../image/source.ts'
import { probePath } from '../../paths.ts'
import { checkReplaceable, replaceFile } from '../atomic-file.ts'
import { type CommandContext, flag, type ParsedArguments, text } from '../command.ts'
import { presentComparison } from '../comparison-table.ts'
import { DEFAULT_PATH } from '../environment.ts'
import { interruptible } from '../interruptible.ts'
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
  const { compare } = await import('../../compare/compare.ts')
  const work = (abort: AbortSignal) => compare({ ...options, progress: progress.tell, abort })
  const outcome = await interruptible(work).finally(progress.end)
  if (typeof outcome === 'number') return outcome
  const { answer } = outcome
  print(json ? JSON.stringify(answer, undefined, 2) : presentComparison(answer))
  if (html !== undefined) await writePage(html, answer)
  if (answer.levels.length === 0) return EXIT.cloisterFailed
  return answer.failed || answer.time?.sameOutcome === false ? 1 : 0
}

function readOptions(parsed: ParsedArguments): Omit<CompareOptions, 'progress' | 'abort'> {
  const rootfs = text(parsed, 'rootfs')
  if (rootfs !== undefined && parsed.operands.length === 0) {
    throw new UsageError(`Cannot compare: no command of ${rootfs} is named.`, {
      hint: 'Write cloister compare --rootfs DIR CMD.',
    })
  }
  const levels = parseLevels(text(parsed, 'levels'))
  const runs = text(parsed, 'runs')
  const root = rootfs === undefined ? {} : { rootfs }
  const operands = rootfs === undefined ? withTerminator(parsed.operands) : parsed.operands
  // A source that one level refuses is refused before anything is measured.
  for (const isolation of new Set(levels.map(isolationOf)))
    resolveSource({ isolation, operands, ...root, cwd: '/', searchPath: DEFAULT_PATH })
  return {
    runArgs: [...(rootfs === undefined ? [] : ['--rootfs', rootfs]), ...operands],
    levels,
    parts: parseParts(text(parsed, 'only'), flag(parsed, 'quick')),
    runs: parseWhole(runs ?? DEFAULT_RUNS, { what: 'the number of runs', min: 1, max: MOST_RUNS }),
    sparing: runs === undefined,
    memoryBytes: parseMemory(text(parsed, 'memory') ?? DEFAULT_MEMORY),
  }
}

/** Also where the program's first word is a "--" of its own: `run` strips one. */
const withTerminator = ([source, ...args]: readonly string[]) =>
  source === undefined ? OWN_PROGRAM : args.length === 0 ? [source] : [source, '--', ...args]

/** Says the same wherever it runs. */
const OWN_PROGRAM: readonly string[] = [probePath, '--', 'touch', '1']

async function writePage(file: string, comparison: Comparison): Promise<void> {
  const { renderComparisonHtml } = await import('../../report/comparison-page.ts')
  replaceFile(file, await renderComparisonHtml(comparison))
  printError(`cloister: the page is in ${file}`)
}

function parseLevels(asked: string | undefined): readonly Compared[] {
  if (asked === undefined) return COMPARED
  return pick(asked, COMPARED, 'compare the level', 'levels')
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
