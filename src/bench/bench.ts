/**
 * `cloister bench`: contenders side by side in one run, interleaved, with every sample kept. Whoever cannot take part
 * on this host is listed with the reason; nobody's figure is ever made up.
 */
import { hostFacts } from '../compare/host-facts.ts'
import type { Isolation } from '../instance/run-spec.ts'
import type {
  BenchName,
  BenchResult,
  ContenderFacts,
  GrowthSeries,
  Measurement,
  UnavailableContender,
} from './bench-result.ts'
import { BLOCK_QUESTIONS, blockEntrant } from './block.ts'
import { BOOT_QUESTIONS, bootEntrant } from './boot.ts'
import type { Contender } from './contender.ts'
import { assemble, type PeerName } from './contenders.ts'
import { DENSITY_QUESTIONS, densityEntrant } from './density.ts'
import { EXIT_PARTS, EXIT_QUESTION, exitEntrants } from './exit-entrants.ts'
import { measurements, type Question } from './measurement.ts'
import { NET_QUESTIONS, netEntrant, sharedWire } from './net.ts'
import { interleave, type Taken } from './rounds.ts'
import { makeScratch, type Scratch } from './scratch.ts'
import { SYSCALL_QUESTIONS, syscallEntrant } from './syscall.ts'

export interface BenchOptions {
  readonly bench: BenchName
  readonly levels: readonly Isolation[]
  readonly peers: readonly PeerName[]
  readonly runs: number
  readonly seed: number
  readonly memoryBytes: number
  /** Names of contenders: the first of them that is there is what the others are divided by. */
  readonly references: readonly string[]
  /** `density`: the most of each contender at once, and what is left to the host. */
  readonly instances: number
  readonly reserveBytes: number
  /** What repeats it, for the report. */
  readonly command: string
  /** Told what is being measured, for people who wait. */
  readonly progress: (what: string) => void
  /** Ends the benchmark and all that it started. */
  readonly abort: AbortSignal
}

/** Rounds before those that count: page caches fill, compilers and branch predictors warm up. */
const WARMUPS: Readonly<Record<BenchName, number>> = { boot: 2, density: 1, syscall: 1, block: 1, net: 1 }

/** @throws what `abort` was given, with all ended and removed, when it was */
export async function bench(options: BenchOptions): Promise<BenchResult> {
  const { bench: name, runs, seed, memoryBytes, command, abort } = options
  abort.throwIfAborted()
  const scratch = makeScratch()
  const contenders: Contender[] = []
  try {
    const { present, unavailable } = assemble(options, scratch)
    contenders.push(...present)
    const able = present.filter((contender) => canTake(name, contender))
    const unable = present
      .filter((contender) => !able.includes(contender))
      .map(({ name: who, kind }) => ({ name: who, kind, reason: CANNOT[name] ?? STARTS_ONLY }))
    const outcome = await BENCHES[name](able, { ...options, scratch, warmups: WARMUPS[name] })
    const host = await hostFacts()
    abort.throwIfAborted()
    return {
      schema: 'cloister.bench/1',
      bench: name,
      host,
      command,
      runs,
      warmups: WARMUPS[name],
      seed,
      memoryBytes,
      contenders: outcome.contenders,
      unavailable: [...unavailable, ...unable, ...outcome.failed],
      measurements: outcome.measurements,
      ...(outcome.growth ? { growth: outcome.growth } : {}),
    }
  } finally {
    for (const contender of contenders) contender.close?.()
    scratch.remove()
  }
}

const STARTS_ONLY = 'it runs no program: only its start can be measured, by "bench boot"'
const NO_DEVICES = 'it has no device of its own that our guest kernel could drive'
const CANNOT: Partial<Record<BenchName, string>> = { block: NO_DEVICES, net: NO_DEVICES }

const canTake = (bench: BenchName, { runsProbe, prepareLoad }: Contender): boolean =>
  bench === 'boot' || (bench === 'block' || bench === 'net' ? prepareLoad !== undefined : runsProbe)

interface Outcome {
  readonly contenders: readonly ContenderFacts[]
  readonly failed: readonly UnavailableContender[]
  readonly measurements: readonly Measurement[]
  readonly growth?: readonly GrowthSeries[]
}

type Options = BenchOptions & { readonly warmups: number; readonly scratch: Scratch }

const BENCHES: Readonly<Record<BenchName, (contenders: readonly Contender[], options: Options) => Promise<Outcome>>> = {
  boot: async (contenders, options) => {
    const entrants = contenders.map((contender) => bootEntrant(contender, options.abort))
    const { taken, failed } = await interleave(entrants, options)
    return { contenders: factsOf(taken), failed, measurements: answers(BOOT_QUESTIONS, taken, options) }
  },

  syscall: async (contenders, options) => {
    const parts = exitEntrants()
    try {
      const entrants = contenders.map((contender) => syscallEntrant(contender, options.abort))
      const { taken, failed } = await interleave([...entrants, ...parts.entrants], options)
      const ofParts = taken.filter(({ contender }) => contender.kind === 'part')
      return {
        contenders: factsOf(taken),
        failed,
        measurements: [
          ...answers(SYSCALL_QUESTIONS, taken, options),
          ...measurements([EXIT_QUESTION], ofParts, EXIT_PARTS[0].name),
        ],
      }
    } finally {
      parts.close()
    }
  },

  block: async (contenders, options) => {
    const all = contenders.flatMap((one) => (one.otherDisk ? [one, one.otherDisk] : [one]))
    const entrants = all.map((contender) => blockEntrant(contender, options))
    const { taken, failed } = await interleave(entrants, options)
    return { contenders: factsOf(taken), failed, measurements: answers(BLOCK_QUESTIONS, taken, options) }
  },

  net: async (contenders, options) => {
    const wire = sharedWire()
    try {
      const entrants = contenders.map((contender) => netEntrant(contender, { wire, abort: options.abort }))
      const { taken, failed } = await interleave(entrants, options)
      return { contenders: factsOf(taken), failed, measurements: answers(NET_QUESTIONS, taken, options) }
    } finally {
      await wire.close()
    }
  },

  density: async (contenders, options) => {
    const growth: GrowthSeries[] = []
    const entrants = contenders.map((contender) => densityEntrant(contender, growth, options))
    const { taken, failed } = await interleave(entrants, options)
    const inAll = growth.filter((one) => taken.some(({ contender }) => contender.name === one.contender))
    const answered = answers(DENSITY_QUESTIONS, taken, options)
    return { contenders: factsOf(taken), failed, measurements: answered, growth: inAll }
  },
}

const factsOf = (taken: readonly Taken[]): ContenderFacts[] =>
  taken.map(({ contender: { name, kind, what } }) => ({ name, kind, what }))

function answers(questions: readonly Question[], taken: readonly Taken[], { references }: Options): Measurement[] {
  const names = taken.map(({ contender }) => contender.name)
  return measurements(questions, taken, references.find((name) => names.includes(name)) ?? '')
}
