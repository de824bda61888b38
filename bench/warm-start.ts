/**
 * A warm start, taken apart: from the request inside a running process to the agent's first reply; the start of the
 * program in the guest; the start of Node with our command, which a resident manager would not pay. Beside it a whole
 * `runc run` of the same small program, and a whole `cloister run`.
 */
import { closeSync, openSync } from 'node:fs'
import { ociPeer } from '../src/bench/oci-peer.ts'
import { timeProcess } from '../src/bench/process-run.ts'
import { makeScratch } from '../src/bench/scratch.ts'
import { runOnce } from '../src/compare/run-once.ts'
import { isRefusal } from '../src/compare/time.ts'
import type { Phases } from '../src/instance/instance.ts'
import type { RunSpec } from '../src/instance/run-spec.ts'
import { MIB } from '../src/memory/memory-map.ts'
import { createMicrovm } from '../src/microvm/microvm.ts'
import { probePath } from '../src/paths.ts'
import { printReport, rounds } from './report.ts'

/** The first boots, the second goes on from there and keeps what it mounted, the third is what follows. */
const WARMUPS = 2
const PROGRAM = [probePath, 'touch', '1'] as const
const memoryBytes = 128 * MIB
const spec: RunSpec = {
  ...{ name: 'bench', isolation: 'microvm', source: { kind: 'program', hostPath: probePath, path: probePath } },
  ...{
    program: probePath,
    argv: PROGRAM,
    env: ['PATH=/bin'],
    cwd: '/',
    memoryBytes,
    cpus: 1,
    interactive: false,
  },
}

const RUNC = 'runc run, the whole of it'
const spans: Record<string, [keyof Phases, keyof Phases]> = {
  "request to the agent's first reply": ['requested', 'kernelReady'],
  'its reply to the program started': ['kernelReady', 'programStarted'],
  'program started to its end seen': ['programStarted', 'exited'],
  'its end to everything gone': ['exited', 'gone'],
}
const OURS = { node: "start of Node, to our command's first line", whole: 'cloister run, the whole of it' }
const values = new Map([...Object.keys(spans), OURS.node, OURS.whole, RUNC].map((name) => [name, [] as number[]]))

async function withinProcess(quiet: number): Promise<Record<string, number>> {
  const instance = createMicrovm(spec, { stdio: { stdout: quiet, stderr: quiet } })
  await instance.start()
  const { exitCode, report } = await instance.wait()
  await instance.close()
  if (exitCode !== 0) throw new Error(`the program ended with ${exitCode}: ${report}`)
  const { phases } = instance
  const length = ([from, to]: [keyof Phases, keyof Phases]) => Number(phases[to]! - phases[from]!) / 1e6
  return Object.fromEntries(Object.entries(spans).map(([name, ends]) => [name, length(ends)]))
}

async function wholeCommand(): Promise<Record<string, number>> {
  const run = await runOnce('microvm', ['--memory', String(memoryBytes), ...PROGRAM])
  if (isRefusal(run)) throw new Error(run.refused)
  return { [OURS.node]: run.marksMs.process!, [OURS.whole]: run.spansMs.whole! }
}

delete process.env.NODE_EXTRA_CA_CERTS // it is read at each start of Node, and costs more than all the rest
const scratch = makeScratch()
process.env.CLOISTER_ROOT = scratch.path('root')
const quiet = openSync('/dev/null', 'w')
const runc = ociPeer('runc', scratch)
const launch = runc.prepare!(['touch', '1'])
const never = new AbortController().signal
try {
  // The first of all boots the kernel, and keeps it.
  for (let round = -WARMUPS; round < rounds(20); round++) {
    const { totalMs } = await timeProcess(runc, launch(), never)
    const taken = { ...(await withinProcess(quiet)), ...(await wholeCommand()), [RUNC]: totalMs }
    if (round < 0) continue
    for (const [name, ms] of Object.entries(taken)) values.get(name)!.push(ms)
  }
} finally {
  runc.close?.()
  closeSync(quiet)
  scratch.remove()
}
printReport({
  title: 'A warm start of a microVM, piece by piece',
  ...{ unit: 'ms', peer: RUNC },
  candidates: [...values].map(([name, list]) => ({ name, values: list })),
})
