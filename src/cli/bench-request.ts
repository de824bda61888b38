/** What `cloister bench` was asked, read and checked: every list names things that there are. */
import type { BenchOptions } from '../bench/bench.ts'
import { BENCH_NAMES, type BenchName } from '../bench/bench-result.ts'
import { PEER_NAMES, type PeerName } from '../bench/contenders.ts'
import { UsageError } from '../errors.ts'
import { ISOLATION_LEVELS } from '../instance/run-spec.ts'
import { type ParsedArguments, text } from './command.ts'
import { formatSize, parseSize, parseWhole } from './quantities.ts'
import { DEFAULT_MEMORY, parseMemory } from './run-request.ts'
import { suggest } from './suggest.ts'

const DEFAULT_RUNS: Readonly<Record<BenchName, string>> = {
  boot: '20',
  density: '3',
  syscall: '10',
  block: '7',
  net: '7',
}
const DEFAULT_INSTANCES = '16'
const MOST_RUNS = 1000
/** A start opens a few dozen descriptors and processes; more than this asks for other limits of the host. */
const MOST_INSTANCES = 500
const MOST_SEED = 999_999

export interface BenchRequest extends Omit<BenchOptions, 'progress' | 'abort'> {
  /** Contenders that were asked for by name: that one of them is missing is a failure. */
  readonly named: readonly string[]
}

/** @param fallback what is not said on the command line: a seed, and the reserve of this host */
export function benchRequest(
  parsed: ParsedArguments,
  fallback: { readonly seed: number; readonly reserveBytes: number },
): BenchRequest {
  const bench = nameAmong(BENCH_NAMES, parsed.operands[0]!, 'the benchmark')
  const saidLevels = namesAmong(ISOLATION_LEVELS, text(parsed, 'levels'), 'the level')
  const levels = saidLevels ?? ISOLATION_LEVELS
  const saidPeers = namesAmong(PEER_NAMES, text(parsed, 'peers'), 'the peer')
  const peers = saidPeers ?? defaultPeers(bench)
  const whole = (option: string, otherwise: string, what: string, min: number, max: number) =>
    parseWhole(text(parsed, option) ?? otherwise, { what, min, max })
  const runs = whole('runs', DEFAULT_RUNS[bench], 'the number of runs', 1, MOST_RUNS)
  const seed = whole('seed', String(fallback.seed), 'the seed', 0, MOST_SEED)
  const instances = whole('instances', DEFAULT_INSTANCES, 'the number of instances', 2, MOST_INSTANCES)
  const memoryBytes = parseMemory(text(parsed, 'memory') ?? DEFAULT_MEMORY)
  const reserve = text(parsed, 'reserve')
  const reserveBytes = reserve === undefined ? wholeMib(fallback.reserveBytes) : parseSize(reserve)
  const all = [...levels, ...peers]
  if (all.length === 0) throw new UsageError('Cannot measure nothing: neither a level nor a peer is left.')
  const reference = text(parsed, 'reference')
  if (reference !== undefined) nameAmong(all, reference, 'the reference')
  return {
    bench,
    levels,
    peers,
    runs,
    seed,
    memoryBytes,
    references: reference === undefined ? [DEFAULT_REFERENCES[bench], ...all] : [reference],
    instances,
    reserveBytes,
    command: [
      `cloister bench ${bench} --levels "${levels.join(',')}" --peers "${peers.join(',')}"`,
      ...(reference === undefined ? [] : [`--reference ${reference}`]),
      `--runs ${runs} --seed ${seed} --memory ${formatSize(memoryBytes)}`,
      ...(bench === 'density' ? [`--instances ${instances} --reserve ${formatSize(reserveBytes)}`] : []),
    ].join(' '),
    named: [...(saidLevels ?? []), ...(saidPeers ?? []), ...(reference === undefined ? [] : [reference])],
  }
}

/** The start of Node is no measure of anything but starts. */
const defaultPeers = (bench: BenchName): readonly PeerName[] =>
  bench === 'boot' ? PEER_NAMES : PEER_NAMES.filter((name) => name !== 'node')

/** Where it is there; otherwise the first contender that is. */
const DEFAULT_REFERENCES: Readonly<Record<BenchName, string>> = {
  boot: 'qemu',
  density: 'qemu',
  syscall: 'host',
  block: 'qemu',
  net: 'qemu',
}

const wholeMib = (bytes: number) => Math.ceil(bytes / 2 ** 20) * 2 ** 20

/** @returns nothing when nothing was said; an empty text is the empty list. */
function namesAmong<T extends string>(known: readonly T[], said: string | undefined, what: string): T[] | undefined {
  if (said === undefined) return undefined
  const names = said.split(',').filter((name) => name !== '')
  return [...new Set(names.map((name) => nameAmong(known, name, what)))]
}

function nameAmong<T extends string>(known: readonly T[], name: string, what: string): T {
  const found = known.find((candidate) => candidate === name)
  if (found !== undefined) return found
  const near = suggest(name, known)
  throw new UsageError(`Cannot measure ${what} "${name}": there is none of that name.`, {
    hint:
      near === undefined ? `There are ${known.join(', ')}.` : `Did you mean "${near}"? There are ${known.join(', ')}.`,
  })
}
