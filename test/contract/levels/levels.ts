/** The isolation levels as the contract knows them: what is different is the wall, not what the caller sees. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import type { Isolation } from '../../../src/instance/run-spec.ts'
import { type Cli, commandLineIn } from '../../helpers/cli.ts'
import { containerTest } from '../../helpers/containers.ts'
import { kvmTestSerial } from '../../helpers/kvm.ts'
import { OWN_LEAST_MIB, ownKernelTest, STOCK_LEAST_MIB, stockKernel, stockMicrovmTest } from '../../helpers/microvm.ts'
import { LAB_OPTIONS } from '../../helpers/stock-kernel.ts'

type Implementation = (t: ExecutionContext) => Promise<void>

/** What a level may be without, by design. */
export type Ability = 'further programs' | 'users' | 'several processes'

export interface Level {
  readonly isolation: Isolation
  readonly test: (title: string, implementation: Implementation) => void
  /** Where a guest kernel is emulated, its first boot takes long. */
  readonly hangMs: number
  /** With how little an instance starts. */
  readonly leastMemoryMib: number
  /** With the words that refuse it. */
  readonly lacks: Readonly<Partial<Record<Ability, RegExp>>>
  /** Further options of `run`. @param directory of the place, for files of theirs */
  readonly options?: (directory: string) => readonly string[]
}

const HANG_MS = Number(process.env.CLOISTER_TEST_HANG_SECONDS ?? 30) * 1000

export const LEVELS: Readonly<Record<Isolation, Level>> = {
  unikernel: {
    ...{ isolation: 'unikernel', test: kvmTestSerial, hangMs: HANG_MS, leastMemoryMib: 40 },
    lacks: {
      // One process is what makes its kernel small: there is no fork, and nobody beside the program.
      'further programs': /a unikernel runs one process, by design\.\n.*--isolation microvm or container/,
      'several processes': /can't fork: Function not implemented/,
      // It has nothing to keep users apart with.
      users: /Cannot run as user 1000:1001 in a unikernel: it has one program and no users\./,
    },
  },
  container: {
    ...{ isolation: 'container', test: containerTest, hangMs: HANG_MS, leastMemoryMib: 40 },
    lacks: {},
  },
  microvm: {
    ...{ isolation: 'microvm', test: ownKernelTest, hangMs: 10 * HANG_MS, leastMemoryMib: OWN_LEAST_MIB },
    lacks: {},
    options: () => LAB_OPTIONS,
  },
}

/** With a kernel that nobody made for us. */
export const stockMicrovm: Level = {
  ...LEVELS.microvm,
  test: stockMicrovmTest,
  leastMemoryMib: STOCK_LEAST_MIB,
  options(directory) {
    const kernel = stockKernel()
    if (typeof kernel === 'string') return []
    const modules = join(directory, 'modules')
    mkdirSync(modules, { recursive: true })
    return kernel.optionsIn(modules)
  },
}

export interface Place {
  readonly cloister: Cli
  /** For files of a test's own. */
  readonly directory: string
  /** `run`, the level, and whatever else it takes. */
  readonly run: readonly string[]
  /** Whatever runs there ends, and all of it is removed. */
  clear(): Promise<void>
}

/** A state root of one's own. */
export function placeFor({ isolation, hangMs, options }: Level): Place {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-contract-'))
  const cloister = commandLineIn(join(directory, 'root'), hangMs)
  let words: readonly string[] | undefined
  return {
    ...{ cloister, directory },
    get run() {
      words ??= ['run', '--isolation', isolation, ...(options?.(directory) ?? [])]
      return words
    },
    async clear() {
      const names = (await cloister(['ps', '-a', '-q'])).stdout.split('\n').filter(Boolean)
      if (names.length > 0) await cloister(['rm', '-f', ...names])
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
