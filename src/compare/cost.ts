/**
 * What running costs: the same static program on the host itself and in every level, in turns. It times each kind of
 * work by its own clock and leaves starting out.
 */

import { HostError } from '../errors.ts'
import { probePath } from '../paths.ts'
import { onLines, type RunChild, startChild, startRun } from './child.ts'
import { type Compared, nameOf } from './compared.ts'
import type { CostComparison, CostOfWorkload } from './comparison.ts'
import { instanceArgs, type Session } from './session.ts'
import { ratio, spread } from './statistics.ts'

const ROUNDS = 5
const SAMPLE_MS = 40

type Workload = CostOfWorkload['name']

const OPERATIONS: Readonly<Record<Workload, string>> = {
  cpu: 'a multiplication and an addition, each waiting for the one before',
  syscall: 'getppid, the cheapest call into a kernel',
  write: 'write of 64 bytes to /dev/null',
  read: 'open, read of 64 bytes, close of a small file',
}

const HOST = 'host'
type Place = Compared | typeof HOST
/** Nanoseconds an operation. */
type Answer = Readonly<Record<Workload, number>>

export async function measureCost(session: Session): Promise<CostComparison> {
  const places: readonly Place[] = [HOST, ...session.levels]
  const taken = new Map<Place, Answer[]>(places.map((place) => [place, []]))
  for (let round = 1; round <= ROUNDS; round++) {
    session.progress('cost', `round ${round} of ${ROUNDS}`)
    for (const place of places) taken.get(place)!.push(await askProbe(place, session))
  }
  const samples = (place: Place, name: Workload) => taken.get(place)!.map((answer) => answer[name])
  return {
    workloads: (Object.keys(OPERATIONS) as Workload[]).map((name): CostOfWorkload => {
      const host = samples(HOST, name)
      const levels = session.levels.map((level) => {
        const samplesNs = samples(level, name)
        return [level, { samplesNs, ns: spread(samplesNs), ratio: ratio(samplesNs, host) }] as const
      })
      return {
        name,
        operation: OPERATIONS[name],
        sampleMs: SAMPLE_MS,
        host: { samplesNs: host, ns: spread(host) },
        levels: Object.fromEntries(levels) as CostOfWorkload['levels'],
      }
    }),
  }
}

async function askProbe(place: Place, { memoryBytes, abort }: Session): Promise<Answer> {
  const child = startProbe(place, memoryBytes, abort)
  let answer: string | undefined
  onLines(child, (line) => {
    answer ??= line
  })
  const exitCode = await child.ended
  abort.throwIfAborted()
  if (exitCode !== 0 || answer === undefined) {
    const where = place === HOST ? 'on the host itself' : `in a ${nameOf(place)}`
    throw new HostError(`Cannot measure what running costs ${where}: status ${exitCode}. ${child.errors()}`)
  }
  const told = JSON.parse(answer) as Record<Workload, { readonly operations: number; readonly ns: number }>
  const entries = Object.entries(told).map(([name, { operations, ns }]) => [name, ns / operations])
  return Object.fromEntries(entries) as Answer
}

function startProbe(place: Place, memoryBytes: number, abort: AbortSignal): RunChild {
  const command = ['cost', String(SAMPLE_MS)]
  if (place === HOST) return startChild(probePath, command, { stdin: 'ignore', abort })
  return startRun([...instanceArgs(place, memoryBytes), probePath, ...command], { stdin: 'ignore', abort })
}
