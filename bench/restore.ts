/**
 * Going on from a snapshot: from its directory to the guest's next instruction, by spans, beside a VM made in C over the
 * same file; how long taking one holds a guest up; and what each further clone costs in memory. The guest writes to a port
 * without end (guest-kernel/tests/bare/serial-loop.S), has 128 MiB, and 40 of them written.
 */
import { execFileSync, spawn } from 'node:child_process'
import { on } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { hostRandom } from '../src/backends/random-source.ts'
import { Reactor } from '../src/backends/reactor.ts'
import { processMemory } from '../src/compare/process-memory.ts'
import { virtioRng } from '../src/devices/virtio-rng.ts'
import { createMachine, type Machine, type MachineConfig, type MachineStep } from '../src/machine/machine.ts'
import { sizeThreadPool } from '../src/machine/thread-pool.ts'
import { MIB } from '../src/memory/memory-map.ts'
import type { Ram } from '../src/memory/ram.ts'
import { packageRoot } from '../src/paths.ts'
import { machineFrom, type OpenSnapshot, openSnapshot } from '../src/snapshot/open-snapshot.ts'
import { takeSnapshot } from '../src/snapshot/take-snapshot.ts'
import { guestPath } from '../test/helpers/guests.ts'
import { printReport, rounds } from './report.ts'

const MEMORY = 128 * MIB
const WRITTEN = 40 * MIB
/** As many as a Linux guest with a disk, a network card and a way to its agent has. */
const DEVICES = 4
const CLONES = 50
const WARMUPS = 5
const SNAPSHOT = 'snapshot'
const PEER = 'C: a VM over that file, to its first exit'

const reactor = new Reactor((error) => {
  throw error
})

/** One whose first byte out is waited for. */
async function machineOf(
  rest: Pick<MachineConfig, 'memoryBytes' | 'kernel' | 'commandLine' | 'modules'> & Partial<MachineConfig>,
) {
  let ram: Ram | undefined
  let seen = (_moment: number) => {}
  const machine = await createMachine({
    reactor,
    devices: Array.from({ length: DEVICES }, () => virtioRng(hostRandom)),
    serial: {
      sink: {
        write(bytes) {
          seen(performance.now())
          return bytes.length
        },
        onDrain() {},
      },
    },
    onRam(given) {
      ram = given
    },
    ...rest,
  })
  const firstByte = () =>
    new Promise<number>((resolve) => {
      seen = resolve
    })
  return { machine, ram: ram!, firstByte }
}

async function goOn(snapshot: OpenSnapshot, onStep?: (step: MachineStep) => void) {
  const made = await machineOf({ ...machineFrom(snapshot), ...(onStep && { onStep }) })
  const first = made.firstByte()
  const created = performance.now()
  made.machine.start()
  return { machine: made.machine, created, first: await first }
}

// ---- taking one ----

async function take(directory: string): Promise<void> {
  const source = await machineOf({
    memoryBytes: MEMORY,
    kernel: guestPath('bare/serial-loop'),
    commandLine: '',
    modules: [],
  })
  const running = source.firstByte()
  source.machine.start()
  await running
  hostRandom.fill(source.ram.memory.bytes(16 * MIB, WRITTEN))
  const taken = { paused: [] as number[], whole: [] as number[] }
  const shape = {
    memoryBytes: MEMORY,
    cpus: 1,
    acpi: false,
    pit: false,
    devices: Array(DEVICES).fill('rng') as string[],
  }
  for (let round = 0; round < 8; round++) {
    rmSync(directory, { recursive: true, force: true })
    const begun = performance.now()
    const { pausedMs } = await takeSnapshot(source, { directory, level: 'bench', spec: null, machine: shape })
    taken.paused.push(pausedMs)
    taken.whole.push(performance.now() - begun)
  }
  await source.machine.close()
  printReport({
    title: 'Taking a snapshot of a guest with 40 of 128 MiB written',
    unit: 'ms',
    peer: 'until its files are on the disk',
    candidates: [
      { name: 'the guest stands still', values: taken.paused },
      { name: 'until its files are on the disk', values: taken.whole },
    ],
  })
}

// ---- going on from it ----

const SPANS = [
  'open the directory, check what is in it',
  'VM with its interrupt controllers, memory mapped',
  'devices',
  'vCPU and what it is',
  'state',
  'to the first instruction',
] as const
const WHOLE = 'snapshot directory to first instruction'
const OPENED = 'open snapshot to first instruction'

async function restore(parent: string): Promise<void> {
  const directory = join(parent, SNAPSHOT)
  const values = new Map<string, number[]>([PEER, OPENED, WHOLE, ...SPANS].map((name) => [name, []]))
  const c = startC(parent)
  for (let round = -WARMUPS; round < rounds(60); round++) {
    const floor = await c.measure()
    const moments = [performance.now()]
    const snapshot = await openSnapshot(directory)
    moments.push(performance.now())
    const { machine, first } = await goOn(snapshot, () => moments.push(performance.now()))
    moments.push(first)
    await machine.close()
    snapshot.close()
    if (round < 0) continue
    values.get(PEER)!.push(floor)
    values.get(WHOLE)!.push(first - moments[0]!)
    values.get(OPENED)!.push(first - moments[1]!)
    for (const [index, name] of SPANS.entries()) values.get(name)!.push(moments[index + 1]! - moments[index]!)
  }
  c.close()
  printReport({
    title: 'Going on from a snapshot, within one process',
    unit: 'ms',
    peer: PEER,
    candidates: [...values].map(([name, list]) => ({ name, values: list })),
  })
}

function startC(parent: string) {
  const program = join(parent, 'restore')
  execFileSync('gcc', ['-O2', '-o', program, join(packageRoot, 'bench/restore.c')])
  const child = spawn(program, [join(parent, SNAPSHOT, 'memory')], { stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = on(createInterface(child.stdout), 'line', { close: ['close'] })
  return {
    async measure() {
      child.stdin.write('\n')
      const { value, done } = await lines.next()
      if (done) throw new Error('The C peer ended early.')
      return Number(value[0]) / 1e6
    },
    close: () => child.stdin.end(),
  }
}

// ---- many of it ----

async function clone(directory: string): Promise<void> {
  setFlagsFromString('--expose-gc')
  /** What V8 has not yet cleared away is no clone's. */
  const collectGarbage = runInNewContext('gc') as () => void
  const snapshot = await openSnapshot(directory)
  const clones: Machine[] = []
  const grow = async (count: number) => {
    for (let made = 0; made < count; made++) {
      const { machine } = await goOn(snapshot)
      await machine.pause()
      clones.push(machine)
    }
    collectGarbage()
    return processMemory(process.pid)
  }
  await grow(10)
  const growth: { private: number[]; proportional: number[] } = { private: [], proportional: [] }
  collectGarbage()
  let before = processMemory(process.pid)
  for (let ten = 0; ten < CLONES / 10; ten++) {
    const after = await grow(10)
    growth.private.push((after.privateBytes - before.privateBytes) / 10 / MIB)
    growth.proportional.push((after.proportionalBytes - before.proportionalBytes) / 10 / MIB)
    before = after
  }
  await Promise.all(clones.map((machine) => machine.close()))
  snapshot.close()
  printReport({
    title: `One more clone in the same process, over ${CLONES} of them, ten at a time`,
    unit: 'MiB',
    peer: 'private',
    candidates: [
      { name: 'private', values: growth.private },
      { name: 'proportional', values: growth.proportional },
    ],
  })
}

/** How many threads libuv's pool has is settled when a process starts: one is best for one machine. */
function inOwnProcess(what: string, directory: string, vcpus: number): void {
  const script = fileURLToPath(import.meta.url)
  execFileSync(process.execPath, [script, what, directory, ...process.argv.slice(2)], {
    env: { ...process.env, UV_THREADPOOL_SIZE: String(vcpus) },
    stdio: 'inherit',
  })
}

const [what, place] = process.argv.slice(2)
if (what === 'clone') await clone(place!)
else {
  sizeThreadPool(1, 0)
  const parent = mkdtempSync(join(tmpdir(), 'cloister-bench-'))
  try {
    await take(join(parent, SNAPSHOT))
    await restore(parent)
    inOwnProcess('clone', join(parent, SNAPSHOT), CLONES + 10)
  } finally {
    rmSync(parent, { recursive: true })
  }
}
await reactor.close()
