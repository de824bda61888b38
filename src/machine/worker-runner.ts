/**
 * A vCPU on a Worker of its own: 8 MB and some 30 ms more than the pool, but a third of the cost per exit that the
 * thread can answer itself, and always the same thread. For several vCPUs and for exit-heavy work.
 */
import { Worker } from 'node:worker_threads'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { kickThreads, prepareKick } from './kick.ts'
import type { RunnerEvents, VcpuRunner } from './vcpu-runner.ts'
import { EXIT_FOR_MAIN, LEAVE, LEFT, TURN, TURN_WORDS, type VcpuWorkerData, WORKERS_TURN } from './vcpu-turns.ts'

export function createWorkerRunner(vcpu: VcpuFd, { onExit, onError, claimedPorts }: RunnerEvents): VcpuRunner {
  const turns = new Int32Array(new SharedArrayBuffer(TURN_WORDS * Int32Array.BYTES_PER_ELEMENT))
  let state: 'idle' | 'running' | 'pausing' | 'paused' | 'stopping' | 'stopped' = 'idle'
  let worker: Worker | undefined
  let reached: (() => void)[] = []

  const settle = (now: 'paused' | 'stopped') => {
    state = now
    const waiting = reached
    reached = []
    for (const resolve of waiting) resolve()
  }

  const giveTurn = () => {
    // While pausing or stopping the next KVM_RUN only completes pending I/O (api.rst KVM_RUN, immediate_exit).
    vcpu.immediateExit = state !== 'running'
    Atomics.store(turns, TURN, WORKERS_TURN)
    Atomics.notify(turns, TURN)
    listen()
  }

  const leave = () => {
    Atomics.store(turns, LEAVE, 1)
    giveTurn()
  }

  const onTurn = () => {
    const turn = Atomics.load(turns, TURN)
    if (turn === LEFT) {
      vcpu.immediateExit = false
      settle('stopped')
      return
    }
    if (turn === EXIT_FOR_MAIN) {
      if (handle() === 'stop') state = 'stopping'
      if (state === 'stopping') leave()
      else giveTurn()
      return
    }
    if (state === 'pausing') settle('paused')
    else if (state === 'stopping') leave()
    else giveTurn()
  }

  const handle = () => {
    try {
      return onExit(vcpu.exit())
    } catch (error) {
      onError(error as Error)
      return 'stop'
    }
  }

  const listen = () => {
    const wait = Atomics.waitAsync(turns, TURN, WORKERS_TURN)
    if (wait.async) void wait.value.then(onTurn)
    else queueMicrotask(onTurn)
  }

  const kickUntil = (goal: 'pausing' | 'stopping') => {
    const done = new Promise<void>((resolve) => reached.push(resolve))
    state = goal
    vcpu.immediateExit = true
    kickThreads()
    return done
  }

  return {
    start() {
      prepareKick()
      state = 'running'
      const data: VcpuWorkerData = {
        turns,
        fd: vcpu.fd,
        id: vcpu.id,
        runPageAddress: vcpu.runPageAddress,
        runPageSize: vcpu.runPageSize,
        // Devices cannot be cloned to another thread, their ranges can.
        claimedPorts: claimedPorts?.map(({ base, size }) => ({ base, size })),
      }
      worker = new Worker(new URL('./vcpu-worker.js', import.meta.url), { workerData: data })
      worker.on('error', (error) => {
        settle('stopped')
        onError(error)
      })
      listen()
    },
    async pause() {
      if (state === 'running') await kickUntil('pausing')
    },
    resume() {
      if (state !== 'paused') return
      state = 'running'
      giveTurn()
    },
    async stop() {
      if (state === 'idle' || state === 'stopped') {
        state = 'stopped'
        return
      }
      if (state === 'paused') {
        const done = new Promise<void>((resolve) => reached.push(resolve))
        state = 'stopping'
        leave()
        await done
        return
      }
      if (state === 'running') await kickUntil('stopping')
      else {
        state = 'stopping'
        await new Promise<void>((resolve) => reached.push(resolve))
      }
      await worker?.terminate()
    },
  }
}
