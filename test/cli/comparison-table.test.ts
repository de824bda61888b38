import test from 'ava'
import { presentComparison } from '../../src/cli/comparison-table.ts'
import type { Comparison, LevelResult } from '../../src/compare/compare.ts'
import { describeHost } from '../../src/compare/host-facts.ts'

const time = { count: 1, minMs: 1, medianMs: 2, maxMs: 3 }

const level = (changes: Partial<LevelResult>): LevelResult => ({
  isolation: 'container',
  exitCode: 0,
  outputBytes: 3,
  outputDigest: 'd',
  time: { created: time, exit: time },
  memoryAtRest: { privateBytes: 1, proportionalBytes: 1, processes: 1, commandPrivateBytes: 1 },
  ...changes,
})

const comparison = (changes: Partial<Comparison>): Comparison => ({
  schema: 'cloister.compare/1',
  host: describeHost([]),
  command: ['/bin/busybox', 'true'],
  runs: 1,
  memoryBytes: 128 * 2 ** 20,
  levels: [level({})],
  unavailable: [],
  isolation: [],
  sameOutcome: true,
  ...changes,
})

test('one run is one run, and with fewer than twenty the largest time is called the largest', (t) => {
  const table = presentComparison(comparison({}))
  t.regex(table, /\(1 run of each level, interleaved; 128M each\)/)
  t.regex(table, /min \/ median \/ max/)
  t.regex(table, /^exit, all released +1\.0 \/ 2\.0 \/ 3\.0$/m)
  t.regex(presentComparison(comparison({ runs: 20 })), /20 runs of .*min \/ median \/ p95/s)
})

test('a moment that one level does not have is a dash there, and no row where none has it', (t) => {
  const alone = presentComparison(comparison({}))
  t.regex(alone, /^bundle written, runtime started +1\.0/m)
  t.notRegex(alone, /guest kernel/)
  const unikernel = level({ isolation: 'unikernel', time: { entered: time, exit: time } })
  t.regex(presentComparison(comparison({ levels: [level({}), unikernel] })), /^guest kernel entered +- +1\.0/m)
})

test('levels that disagree are shown with how each of them ended, and what it said', (t) => {
  const levels = [
    level({}),
    level({ isolation: 'unikernel', exitCode: 125, outputBytes: 0, errors: 'It died:\n  why' }),
  ]
  const table = presentComparison(comparison({ levels, sameOutcome: false }))
  t.regex(table, /^The levels disagree/m)
  t.regex(
    table,
    /^ {2}container: 3 bytes, status 0\n {2}unikernel: 0 bytes, status 125\nunikernel said: It died:\n {2}why$/m,
  )
})
