/**
 * Which thread should run the vCPUs of a machine: libuv's pool, where several hop from thread to thread, or a Worker each.
 * Four vCPUs are started and kept busy (guest-kernel/tests/bare/smp-storm.S); timed are the way from nothing to the moment
 * when all of them run, and a pause of all. src/machine/choose-runner.ts draws the conclusion.
 */

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Reactor } from '../src/backends/reactor.ts'
import type { RunnerKind } from '../src/machine/choose-runner.ts'
import { createMachine } from '../src/machine/machine.ts'
import { MIB } from '../src/memory/memory-map.ts'
import { packageRoot } from '../src/paths.ts'
import { printReport, rounds, takeTurns } from './report.ts'

const CPUS = 4
const PAUSES = 20
const KERNEL = join(packageRoot, 'guest-kernel/build/tests/bare/smp-storm.elf')

/** As `cloister run` sizes it: a thread for each vCPU and one for the reactor. libuv reads it once, at its first use. */
const POOL = String(CPUS + 1)

async function startAll(kind: RunnerKind, reactor: Reactor) {
  let steps: Uint32Array | undefined
  const machine = await createMachine({
    reactor,
    memoryBytes: 32 * MIB,
    kernel: KERNEL,
    commandLine: '',
    cpus: CPUS,
    acpi: true,
    runner: kind,
    devices: [],
    serial: { sink: { write: ({ length }) => length, onDrain() {} } },
    modules: [
      {
        name: 'the counters',
        size: 4096,
        write: ({ buffer, byteOffset }) => {
          steps = new Uint32Array(buffer, byteOffset, CPUS)
        },
      },
    ],
  })
  machine.start()
  while (steps!.some((step) => step === 0)) await sleep(1)
  return machine
}

/** Nanoseconds until all run. */
async function timeStart(kind: RunnerKind, reactor: Reactor): Promise<number> {
  const before = process.hrtime.bigint()
  const machine = await startAll(kind, reactor)
  const after = process.hrtime.bigint()
  await machine.close()
  return Number(after - before)
}

/** Nanoseconds until all stand still. */
async function timePause(kind: RunnerKind, reactor: Reactor): Promise<number> {
  const machine = await startAll(kind, reactor)
  let sum = 0n
  for (let turn = 0; turn < PAUSES; turn++) {
    const before = process.hrtime.bigint()
    await machine.pause()
    sum += process.hrtime.bigint() - before
    machine.resume()
    await sleep(1)
  }
  await machine.close()
  return Number(sum) / PAUSES
}

async function main(): Promise<void> {
  const reactor = new Reactor((error) => {
    throw error
  })
  for (const [what, measure] of [
    ['from nothing until all run', timeStart],
    ['a pause of all', timePause],
  ] as const) {
    const players = (['worker', 'pool'] as const).map((name) => ({ name, measure: () => measure(name, reactor) }))
    const candidates = await takeTurns(players, { runs: rounds(7), warmups: 1 })
    printReport({ title: `${CPUS} busy vCPUs, ${what}`, unit: 'ns', peer: 'worker', candidates })
  }
  await reactor.close()
}

if (process.env.UV_THREADPOOL_SIZE === POOL) await main()
else {
  const env = { ...process.env, UV_THREADPOOL_SIZE: POOL }
  process.exitCode = spawnSync(process.execPath, process.argv.slice(1), { env, stdio: 'inherit' }).status ?? 1
}
