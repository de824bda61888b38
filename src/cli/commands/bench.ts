/** `cloister bench`: what starting, resting and running cost here, beside peers, measured now. */
import type { BenchResult } from '../../bench/bench-result.ts'
import { reserveBytes } from '../../compare/growth.ts'
import { EXIT } from '../../errors.ts'
import { checkReplaceable, replaceFile } from '../atomic-file.ts'
import { benchRequest } from '../bench-request.ts'
import { presentBench } from '../bench-table.ts'
import { type CommandContext, flag, text } from '../command.ts'
import { interruptible } from '../interruptible.ts'
import { createProgress } from '../progress.ts'
import { print, printError } from '../terminal.ts'

/** Something that was asked for by name is missing in the result. */
const INCOMPLETE = 1
const MOST_SEED = 1_000_000

export async function run({ arguments: parsed }: CommandContext): Promise<number> {
  const request = benchRequest(parsed, { seed: Date.now() % MOST_SEED, reserveBytes: reserveBytes() })
  const html = text(parsed, 'html')
  // Now, and not after a minute of measuring.
  if (html !== undefined) checkReplaceable(html)
  const json = flag(parsed, 'json')
  const { tell, end } = createProgress({ silent: json && !process.stderr.isTTY })
  const progress = (step: string) => tell(`bench ${request.bench}`, step)

  const { bench } = await import('../../bench/bench.ts')
  const outcome = await interruptible((abort) => bench({ ...request, progress, abort })).finally(end)
  if (typeof outcome === 'number') return outcome
  const { answer } = outcome
  print(json ? JSON.stringify(answer, undefined, 2) : presentBench(answer))
  if (html !== undefined) await writePage(html, answer)
  return statusOf(answer, request.named)
}

async function writePage(file: string, result: BenchResult): Promise<void> {
  const { renderBenchHtml } = await import('../../report/bench-page.ts')
  replaceFile(file, await renderBenchHtml(result))
  printError(`cloister: the page is in ${file}`)
}

function statusOf({ measurements, unavailable }: BenchResult, named: readonly string[]): number {
  if (measurements.length === 0) return EXIT.cloisterFailed
  return unavailable.some(({ name }) => named.includes(name)) ? INCOMPLETE : 0
}
