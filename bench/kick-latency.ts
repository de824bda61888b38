/**
 * From a guest's kick to the device's answer, seen from inside the guest: one request of the entropy device at a time,
 * in the same test guest under Cloister and under QEMU. Process starts are not in it. On a software KVM, entering the
 * guest kernel to halt it and to take the interrupt is most of "by interrupt", whoever the VMM is.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram } from '../src/bench/find-program.ts'
import { machineLine } from '../src/bench/qemu-peer.ts'
import { MIB } from '../src/memory/memory-map.ts'
import { packageRoot, probePath } from '../src/paths.ts'
import { type Candidate, printReport, rounds, takeTurns } from './report.ts'

const GUEST = join(packageRoot, 'guest-kernel/build/tests/kick-latency.elf')
const PEER = 'QEMU microvm'
/** What the guest prints first on a line, then least, median and 95th percentile in nanoseconds. */
const FIGURES = {
  interrupt: 'Kick to completion, by interrupt: the guest halts meanwhile',
  ring: 'Kick to completion, by looking at the used ring: no interrupt',
  status: 'One read of the register InterruptStatus',
} as const
type Figure = keyof typeof FIGURES

const root = mkdtempSync(join(tmpdir(), 'cloister-bench-'))
const qemu = findProgram('qemu-system-x86_64', 'apt-get install qemu-system-x86')
const cloister = join(packageRoot, 'bin/cloister')
const commands: Readonly<Record<string, readonly [string, ...string[]]>> = {
  [PEER]: [
    qemu,
    ...machineLine(128 * MIB),
    ...['-device', 'virtio-rng-device', '-kernel', GUEST, '-append', '-- /none'],
  ],
  Cloister: [cloister, 'run', '--isolation', 'unikernel', '--rm', '--memory', '128M', '--kernel', GUEST, probePath],
}

const medians = new Map<string, Record<Figure, number[]>>()

/** @returns the median by interrupt; keeps the others too. */
function measure(name: string): number {
  const [file, ...args] = commands[name]!
  const output = run(file, args)
  const kept = medians.get(name) ?? { interrupt: [], ring: [], status: [] }
  medians.set(name, kept)
  for (const figure of Object.keys(FIGURES) as Figure[]) {
    const found = new RegExp(`^${figure} \\d+ (\\d+) \\d+\r?$`, 'm').exec(output)
    if (!found) throw new Error(`${name} gave no figure for ${figure}: ${output}`)
    kept[figure].push(Number(found[1]))
  }
  return kept.interrupt.at(-1)!
}

function run(file: string, args: readonly string[]): string {
  const env = { ...process.env, CLOISTER_ROOT: root }
  try {
    return execFileSync(file, args, { env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 })
  } catch (error) {
    // QEMU's exit port answers (status << 1) | 1.
    const { status, stdout } = error as { status: number | null; stdout: string }
    if (status === 1) return stdout
    throw error
  }
}

try {
  const players = Object.keys(commands).map((name) => ({ name, measure: () => measure(name) }))
  const taken = await takeTurns(players, { runs: rounds(7), warmups: 0 })
  for (const [figure, title] of Object.entries(FIGURES) as [Figure, string][]) {
    const candidates: Candidate[] = taken.map(({ name }) => ({ name, values: medians.get(name)![figure] }))
    printReport({ title: `${title} (medians of 1000)`, unit: 'ns', peer: PEER, candidates })
  }
} finally {
  rmSync(root, { recursive: true, force: true })
}
