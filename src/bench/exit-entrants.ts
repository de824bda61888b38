/** The exit round trip as entrants of a benchmark, apart from the levels: it has no instance around it. */
import { ContenderRefused } from './contender.ts'
import { createExitGuest, type ExitGuest, timeExitsHere, timeExitsOnPool } from './exit-round-trip.ts'
import type { Question } from './measurement.ts'
import type { Entrant } from './rounds.ts'

const EXITS = 2000

export const EXIT_QUESTION: Question = {
  id: 'vm-exit',
  title: 'A VM exit and back: a port write, answered in TypeScript',
  unit: 'ns',
}

export const EXIT_PARTS = [
  { name: 'main thread', kind: 'part', what: 'KVM_RUN called on the main thread' },
  { name: 'pool thread', kind: 'part', what: "KVM_RUN on libuv's pool, the handler on the main thread" },
] as const

/** @returns what to release at the end, beside the entrants. */
export function exitEntrants(): { entrants: readonly Entrant[]; close: () => void } {
  // Read once by libuv, before its pool is first used. With one thread the vCPU stays where it is.
  process.env.UV_THREADPOOL_SIZE = '1'
  let guest: ExitGuest | undefined
  const withGuest = async (time: (guest: ExitGuest) => number | Promise<number>) => {
    try {
      guest ??= createExitGuest()
      return { [EXIT_QUESTION.id]: await time(guest) }
    } catch (error) {
      throw new ContenderRefused(error instanceof Error ? error.message : String(error))
    }
  }
  const [main, pool] = EXIT_PARTS
  return {
    entrants: [
      { contender: main, measure: () => withGuest(({ vcpu }) => timeExitsHere(vcpu, EXITS)) },
      { contender: pool, measure: () => withGuest(({ vcpu }) => timeExitsOnPool(vcpu, EXITS)) },
    ],
    close: () => guest?.close(),
  }
}
