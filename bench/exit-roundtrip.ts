/**
 * One VM exit and back: a real-mode guest writes to a port for ever, a TypeScript handler answers each write, beside
 * the same loop in C (exit-roundtrip.c). The ways a vCPU can run are timed: KVM_RUN called synchronously, in a Worker
 * and on the main thread, and on libuv's pool with the handler on the main thread. The pool has one thread, as it
 * should: a vCPU that hops between threads is several times slower. UV_THREADPOOL_SIZE=4 shows it.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { on, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { createExitGuest, timeExitsHere, timeExitsOnPool } from '../src/bench/exit-round-trip.ts'
import { packageRoot } from '../src/paths.ts'
import { printReport, rounds, takeTurns } from './report.ts'

const EXITS_PER_ROUND = 5000
const PEER = 'C'

/** Nanoseconds per exit over so many exits. */
type Measure = (exits: number) => Promise<number>
interface Contender {
  readonly name: string
  readonly measure: Measure
  readonly close: () => void
}

async function main(): Promise<void> {
  const contenders: Contender[] = []
  try {
    contenders.push(startC(), await startWorker(), startMainThread(), startPool())
    const players = contenders.map(({ name, measure }) => ({ name, measure: () => measure(EXITS_PER_ROUND) }))
    // The first rounds let the compiler warm up.
    const candidates = await takeTurns(players, { runs: rounds(15), warmups: 2 })
    printReport({
      title: `Port-write exit, KVM_RUN to handler and back, ${EXITS_PER_ROUND} exits a round`,
      unit: 'ns per exit',
      peer: PEER,
      candidates,
    })
  } finally {
    for (const { close } of contenders) close()
  }
}

// ---- contenders ----

function startC(): Contender {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-bench-'))
  const program = join(directory, 'exit-roundtrip')
  execFileSync('gcc', ['-O2', '-o', program, join(packageRoot, 'bench/exit-roundtrip.c')])
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] })
  child.once('spawn', () => rmSync(directory, { recursive: true }))
  const lines = on(createInterface(child.stdout), 'line', { close: ['close'] })
  const measure = async (exits: number) => {
    child.stdin.write(`${exits}\n`)
    const { value, done } = await lines.next()
    if (done) throw new Error('The C peer ended early.')
    return Number(value[0])
  }
  return { name: PEER, measure, close: () => child.stdin.end() }
}

function serveWorker(): void {
  const { vcpu, close } = createExitGuest()
  parentPort?.on('message', (exits: number) => {
    if (exits === 0) {
      close()
      parentPort?.close()
      return
    }
    parentPort?.postMessage(timeExitsHere(vcpu, exits))
  })
}

async function startWorker(): Promise<Contender> {
  const worker = new Worker(new URL(import.meta.url))
  await once(worker, 'online')
  const measure = async (exits: number) => {
    worker.postMessage(exits)
    return (await once(worker, 'message'))[0] as number
  }
  return { name: 'TypeScript, Worker', measure, close: () => worker.postMessage(0) }
}

function startMainThread(): Contender {
  const { vcpu, close } = createExitGuest()
  return { name: 'TypeScript, main thread', measure: async (exits) => timeExitsHere(vcpu, exits), close }
}

function startPool(): Contender {
  const { vcpu, close } = createExitGuest()
  return { name: 'TypeScript, pool', measure: (exits) => timeExitsOnPool(vcpu, exits), close }
}

/** libuv reads its size from the environment once, before any code of ours runs. */
function againWithSmallPool(): void {
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' }
  const { status } = spawnSync(process.execPath, process.argv.slice(1), { env, stdio: 'inherit' })
  process.exitCode = status ?? 1
}

if (!isMainThread) serveWorker()
else if (process.env.UV_THREADPOOL_SIZE === undefined) againWithSmallPool()
else await main()
