/**
 * A vCPU on libuv's pool: no thread and no isolate of its own, 20 us or so per exit. The default for one vCPU.
 */
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { kickThreads, prepareKick } from './kick.ts'
import type { RunnerEvents, VcpuRunner } from './vcpu-runner.ts'

export function createPoolRunner(vcpu: VcpuFd, { onExit, onError }: RunnerEvents): VcpuRunner {
  let state: 'idle' | 'running' | 'pausing' | 'paused' | 'stopping' | 'stopped' = 'idle'
  /** Whether a pool thread is inside KVM_RUN, or about to be. */
  let inside = false
  let leave: (() => void)[] = []

  const enter = () => {
    inside = true
    vcpu.runAsync((outcome, error) => {
      inside = false
      if (error) {
        finish()
        onError(error)
        return
      }
      if (outcome === 'exit' && handle() === 'stop') {
        finish()
        return
      }
      if (state === 'running') enter()
      else settle()
    })
  }

  const handle = () => {
    try {
      return onExit(vcpu.exit())
    } catch (error) {
      onError(error as Error)
      return 'stop'
    }
  }

  /** The vCPU ended by itself. */
  const finish = () => {
    state = 'stopped'
    settle()
  }

  const settle = () => {
    if (state === 'pausing') {
      // api.rst KVM_RUN: pending I/O is completed by entering once more with immediate_exit set.
      vcpu.immediateExit = true
      vcpu.run()
      vcpu.immediateExit = false
      state = 'paused'
    }
    if (state === 'stopping') state = 'stopped'
    const waiting = leave
    leave = []
    for (const resolve of waiting) resolve()
  }

  const kickOut = (): Promise<void> => {
    const left = new Promise<void>((resolve) => leave.push(resolve))
    vcpu.immediateExit = true
    kickThreads()
    return left.then(() => {
      vcpu.immediateExit = false
    })
  }

  return {
    start() {
      prepareKick()
      state = 'running'
      enter()
    },
    async pause() {
      if (state !== 'running') return
      state = 'pausing'
      if (inside) await kickOut()
      else settle()
    },
    resume() {
      if (state !== 'paused') return
      state = 'running'
      enter()
    },
    async stop() {
      if (state === 'stopped') return
      state = 'stopping'
      if (inside) await kickOut()
      else settle()
    },
  }
}
