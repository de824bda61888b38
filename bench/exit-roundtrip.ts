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
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../kvm-bindings/constants.ts'
import { mmap, munmap, viewMemory } from '../kvm-bindings/ffi.ts'
import { KvmSystem } from '../kvm-bindings/kvm.ts'
import type { VcpuFd } from '../kvm-bindings/vcpu-fd.ts'
import { packageRoot } from '../src/paths.ts'
import { printReport, rounds } from './report.ts'

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
    const values = contenders.map(() => [] as number[])
    for (let round = -2; round < rounds(15); round++) {
      for (const [index, { measure }] of contenders.entries()) {
        const ns = await measure(EXITS_PER_ROUND)
        if (round >= 0) values[index]?.push(ns) // the first rounds let the compiler warm up
      }
    }
    printReport({
      title: `Port-write exit, KVM_RUN to handler and back, ${EXITS_PER_ROUND} exits a round`,
      unit: 'ns per exit',
      peer: PEER,
      candidates: contenders.map(({ name }, index) => ({ name, values: values[index] as number[] })),
    })
  } finally {
    for (const { close } of contenders) close()
  }
}

// ---- the guest ----

const MEMORY_SIZE = 0x10000
const CODE = 0x1000
const PORT = 0x10
const AGAIN_OUT_JMP = [0xe6, PORT, 0xeb, 0xfc] // again: out PORT, al; jmp again

function createGuest(): { vcpu: VcpuFd; close: () => void } {
  using kvm = KvmSystem.open()
  const vm = kvm.createVm()
  const address = mmap(MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
  new Uint8Array(viewMemory(address, MEMORY_SIZE)).set(AGAIN_OUT_JMP, CODE)
  const size = BigInt(MEMORY_SIZE)
  vm.setUserMemoryRegion({ slot: 0, flags: 0, guest_phys_addr: 0n, memory_size: size, userspace_addr: address })
  const vcpu = vm.createVcpu(0)
  const sregs = vcpu.getSregs()
  vcpu.setSregs({ ...sregs, cs: { ...sregs.cs, base: 0n, selector: 0 } })
  vcpu.setRegs({ ...vcpu.getRegs(), rip: BigInt(CODE), rflags: 2n })
  const close = () => {
    vcpu.close()
    vm.close()
    munmap(address, MEMORY_SIZE)
  }
  return { vcpu, close }
}

/** As much work as the C handler does, with a result that outlives it. */
const device = { sum: 0 }

function onPort(port: number, data: Uint8Array): void {
  device.sum += port + (data[0] as number) + data.length
}

function answer(vcpu: VcpuFd): void {
  const exit = vcpu.exit()
  if (exit.kind !== 'io' || exit.direction !== 'out') throw new Error(`unexpected exit: ${exit.kind}`)
  onPort(exit.port, exit.data)
}

const nanoseconds = (since: bigint, exits: number) => Number(process.hrtime.bigint() - since) / exits

function runSynchronously(vcpu: VcpuFd, exits: number): number {
  const start = process.hrtime.bigint()
  for (let done = 0; done < exits; done++) {
    vcpu.run()
    answer(vcpu)
  }
  return nanoseconds(start, exits)
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
  const { vcpu, close } = createGuest()
  parentPort?.on('message', (exits: number) => {
    if (exits === 0) {
      close()
      parentPort?.close()
      return
    }
    parentPort?.postMessage(runSynchronously(vcpu, exits))
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
  const { vcpu, close } = createGuest()
  return { name: 'TypeScript, main thread', measure: async (exits) => runSynchronously(vcpu, exits), close }
}

function startPool(): Contender {
  const { vcpu, close } = createGuest()
  const measure = (exits: number) =>
    new Promise<number>((resolve, reject) => {
      const start = process.hrtime.bigint()
      let left = exits
      const enter = () =>
        vcpu.runAsync((_, error) => {
          if (error) return reject(error)
          answer(vcpu)
          left--
          if (left > 0) enter()
          else resolve(nanoseconds(start, exits))
        })
      enter()
    })
  return { name: 'TypeScript, pool', measure, close }
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
