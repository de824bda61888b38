/**
 * A vCPU on a Worker of its own: 8 MB and some 30 ms more than the pool, but a third of the cost per exit that the
 * thread can answer itself, and always the same thread. For several vCPUs and for exit-heavy work.
 */
import { Worker } from 'node:worker_threads'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { kickThreads, prepareKick } from './kick.ts'
import type { RunnerEvents, VcpuRunner } from './vcpu-runner.ts'
import { VcpuState } from './vcpu-state.ts'
import { EXIT_FOR_MAIN, LEAVE, LEFT, TURN, TURN_WORDS, type VcpuWorkerData, WORKERS_TURN } from './vcpu-turns.ts'

export function createWorkerRunner(vcpu: VcpuFd, { onExit, onError, claimedPorts }: RunnerEvents): VcpuRunner {
  const turns = new Int32Array(new SharedArrayBuffer(TURN_WORDS * Int32Array.BYTES_PER_ELEMENT))
  let worker: Worker | undefined

  const state = new VcpuState({
    kick() {
      vcpu.immediateExit = true
      kickThreads()
    },
    leave: () => leave(),
  })

  const giveTurn = () => {
    // While pausing or stopping the next KVM_RUN only completes pending I/O (api.rst KVM_RUN, immediate_exit).
    vcpu.immediateExit = state.now !== 'running'
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
    if (turn === WORKERS_TURN) {
      listen() // a late wake-up (vcpu-turns.ts): the Worker is still in the guest
      return
    }
    if (turn === LEFT) {
      vcpu.immediateExit = false
      state.settle('stopped')
      return
    }
    if (turn === EXIT_FOR_MAIN) {
      if (handle() === 'stop') state.now = 'stopping'
      if (state.now === 'stopping') leave()
      else giveTurn()
      return
    }
    if (state.now === 'pausing') state.settle('paused')
    else if (state.now === 'stopping') leave()
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

  return {
    start() {
      prepareKick()
      state.now = 'running'
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
        state.settle('stopped')
        onError(error)
      })
      listen()
    },
    pause: () => state.pause(),
    resume() {
      if (state.now !== 'paused') return
      state.now = 'running'
      giveTurn()
    },
    async stop() {
      await state.stop()
      await worker?.terminate()
    },
  }
}
