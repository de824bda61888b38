/** One table for each part of a comparison; a column a level. */
import { isolationOf, nameOf } from '../compare/compared.ts'
import type {
  AttackNotTried,
  CallsOfParty,
  Comparison,
  CostComparison,
  DensityComparison,
  DensityOfLevel,
  IsolationComparison,
  MemoryComparison,
  NeighbourComparison,
  NeighbourOutcome,
  PerLevel,
  Ratio,
  Seen,
  Slope,
  Span,
  Spread,
  TimeComparison,
} from '../compare/comparison.ts'
import { EXIT } from '../errors.ts'
import { renderTable } from './table.ts'

type Levels = Comparison['levels']

const titles = (names: Levels) => names.map(nameOf)
/** A microVM is measured inside once, however often it is started. */
const having = (names: Levels, levels: PerLevel<unknown>) => names.filter((name) => levels[name] !== undefined)

const MIB = 2 ** 20
const ms = (value: number) => value.toFixed(value < 1000 ? 1 : 0)
const mib = (bytes: number) => (bytes / MIB).toFixed(1)
const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(1)
const spread = ({ min, median, p95, max }: Spread) => `${ms(min)} / ${ms(median)} / ${ms(p95 ?? max)}`
const ratio = ({ min, median, max }: Ratio) => `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`

const SPAN_WORDS: Readonly<Record<Span, string>> = {
  requestToReady: 'request to VMM ready, bundle written',
  readyToEntered: 'to first KVM_RUN, runtime started',
  enteredToProgram: "to the program's first instruction",
  programToExit: 'to the end of the program',
  exitToGone: 'to everything gone',
  requestToFirstOutput: 'request to first output byte',
  whole: 'request to everything gone',
}

/** As many as have room for a whole spread each. */
const SPREADS_MOST = 2

export function timeTable({ runs, levels }: TimeComparison, names: Levels): string {
  const [first] = names
  const wide = names.length <= SPREADS_MOST
  const last = Object.values(levels)[0]?.spansMs.whole?.p95 === undefined ? 'max' : 'p95'
  const figures = wide ? `min / median / ${last}` : 'median (min)'
  const rows = (Object.keys(SPAN_WORDS) as Span[]).map((span) => [
    SPAN_WORDS[span],
    ...names.map((name) => {
      const measured = levels[name]?.spansMs[span]
      if (!measured) return 'not seen'
      return wide ? spread(measured) : `${ms(measured.median)} (${ms(measured.min)})`
    }),
  ])
  const ratios = names.map((name) => {
    const whole = levels[name]?.ratios?.whole
    if (!whole) return '1'
    return wide ? ratio(whole) : whole.median.toFixed(2)
  })
  const counted = runs === 1 ? '1 run' : `${runs} runs${wide ? ', interleaved' : ''}`
  const counts = names.map((name) => levels[name]?.samples.length ?? 0)
  const fewer = counts.every((count) => count === runs)
    ? []
    : [['runs, fewer where one takes long', ...counts.map(String)]]
  return renderTable(
    [`TIME, ms: ${figures} (${counted})`, ...titles(names)],
    [...rows, [`${wide ? 'all of it, ' : ''}ratio to ${nameOf(first!)}, pair by pair`, ...ratios], ...fewer],
  )
}

/** With two standard errors to each side. */
const slope = ({ bytesPerInstance, standardErrorBytes }: Slope) =>
  standardErrorBytes === null ? mib(bytesPerInstance) : `${mib(bytesPerInstance)} ± ${mib(2 * standardErrorBytes)}`

export function memoryTable({ hostNoiseBytes, levels }: MemoryComparison, names: Levels): string {
  const further = (kind: 'privateBytes' | 'proportionalBytes' | 'hostBytes') =>
    names.map((name) => (levels[name] ? slope(levels[name].further[kind]) : ''))
  const rows = [
    ['private pages', ...further('privateBytes')],
    ['with its share of shared pages', ...further('proportionalBytes')],
    [`host's own view (wanders by ${mib(hostNoiseBytes)})`, ...further('hostBytes')],
    ['host processes', ...names.map((name) => String(Math.round(levels[name]?.processesPerInstance ?? 0)))],
    ['so many at rest', ...names.map((name) => sizes(levels[name]?.points))],
  ]
  return renderTable(['MEMORY of one further instance at rest, MiB', ...titles(names)], rows)
}

const sizes = (points: DensityOfLevel['points'] = []) =>
  points.length === 0 ? '' : `${points[0]!.instances} to ${points.at(-1)!.instances}`

const STOPPED_BY: Readonly<Record<DensityOfLevel['stoppedBy'], string>> = {
  slope: 'slope known',
  count: 'enough of them',
  time: 'long enough',
  memory: 'reserve reached',
}

export function densityTable({ availableBytes, reserveBytes, levels }: DensityComparison, all: Levels): string {
  const names = having(all, levels)
  const cells = (words: (level: DensityOfLevel) => string) =>
    names.map((name) => (levels[name] ? words(levels[name]) : ''))
  const room = gib(availableBytes - reserveBytes)
  return renderTable(
    ['DENSITY', ...titles(names)],
    [
      ['ran at once, measured', ...cells(({ measured }) => String(measured))],
      ['why no more', ...cells(({ stoppedBy }) => STOPPED_BY[stoppedBy])],
      ['one more takes, MiB', ...cells((level) => slope(level.slope))],
      ['  as seen by', ...cells(({ basis }) => (basis === 'host' ? 'the host' : 'its processes'))],
      [
        `fit in ${room} of ${gib(availableBytes)} GiB, extrapolated`,
        ...cells(({ fits, fitsLow, fitsHigh }) => `${fits} (${fitsLow} to ${fitsHigh})`),
      ],
    ],
  )
}

const WORKLOAD_WORDS = {
  cpu: 'multiply and add',
  syscall: 'getppid',
  write: 'write to /dev/null',
  read: 'open, read, close a file',
} as const

const ns = (value: number) => (value < 100 ? value.toFixed(2) : value.toFixed(0))

export function costTable({ workloads }: CostComparison, all: Levels): string {
  const names = having(all, workloads[0]?.levels ?? {})
  return renderTable(
    ['RUN COST, ns: median (ratio to host)', 'host', ...titles(names)],
    workloads.map(({ name, host, levels }) => [
      WORKLOAD_WORDS[name],
      ns(host.ns.median),
      ...names.map((level) => {
        const cost = levels[level]
        return cost ? `${ns(cost.ns.median)} (${cost.ratio.median.toFixed(2)})` : ''
      }),
    ]),
  )
}

const clipped = (text: string, most: number) => (text.length <= most ? text : `${text.slice(0, most - 3)}...`)
const WORDS_MOST = 42
/** A cell of three beside each other. */
const CELL_MOST = 17

const seenWords = (seen: Seen | undefined, expected: string, short: (text: string) => string) =>
  seen ? (seen.asExpected ? `✓ ${short(seen.text)}` : `✗ ${seen.text}, expected ${expected}`) : ''

export function isolationTable({ findings, systemCalls }: IsolationComparison, all: Levels): string {
  const names = having(all, systemCalls)
  const short = (text: string) => (names.length <= SPREADS_MOST ? text : clipped(text, CELL_MOST))
  const calls = (party: 'program' | 'around', words: (calls: CallsOfParty) => string) =>
    names.map((name) => (systemCalls[name] ? words(systemCalls[name][party]) : ''))
  const seen = ({ traced }: CallsOfParty) => (traced ? String(traced.distinct) : 'not traced')
  const allowed = ({ allowed, policy }: CallsOfParty) => (allowed === null ? short(policy) : String(allowed))
  const reasons = names.flatMap((name) => {
    const { program, around } = systemCalls[name] ?? {}
    return [program?.notTracedBecause, around?.notTracedBecause].filter((reason) => reason !== undefined)
  })
  const table = renderTable(
    ['ISOLATION (✓ as expected)', ...titles(names)],
    [
      ...findings.map(({ question, expected, seen }) => [
        question,
        ...names.map((name) => seenWords(seen[name], expected[isolationOf(name)], short)),
      ]),
      ['host calls that the program may make', ...calls('program', allowed)],
      ['  of which it made under load', ...calls('program', seen)],
      ['host calls that its VMM, runtime may', ...calls('around', allowed)],
      ['  of which they made meanwhile', ...calls('around', seen)],
    ],
  )
  return [table, ...[...new Set(reasons)].map((reason) => `Not traced: ${reason}.`)].join('\n')
}

const ATTACK_WORDS = {
  forkBomb: 'fork bomb',
  memoryHog: 'memory hog',
  cpuHog: 'CPU hog',
  kernelCrash: 'kernel crash',
} as const

export function neighbourTable({ trials }: NeighbourComparison, names: Levels): string {
  const rows = trials.flatMap(({ attack, levels }) =>
    names.flatMap((name) => {
      const outcome = levels[name]
      return outcome ? [[ATTACK_WORDS[attack], isolationOf(name), ...outcomeCells(outcome)]] : []
    }),
  )
  return renderTable(['NEIGHBOUR of', 'level', 'during / after', 'host', 'the attacker'], rows)
}

function outcomeCells(outcome: NeighbourOutcome | AttackNotTried): string[] {
  if (!outcome.tried) return ['not tried', '', outcome.reason]
  const { rate, survived, hostIntact, seen, attacker } = outcome
  // A report of ours may be a paragraph; what the attacker said is short, but of the end of its kernel it says nothing.
  const told = attacker.exitCode === EXIT.cloisterFailed ? attacker.report : attacker.said
  const part = (of: number | null) => (of === null || !rate.before ? '?' : `${Math.round((of / rate.before) * 100)} %`)
  return [
    survived ? `${part(rate.during)} / ${part(rate.after)}` : 'NOT ALIVE',
    hostIntact ? 'intact' : 'HURT',
    `${seen.asExpected ? '✓' : '✗'} ${attacker.exitCode}: ${clipped(told.replace(/^The guest died: /, '') || 'said nothing', WORDS_MOST)}`,
  ]
}
