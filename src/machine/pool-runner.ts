/**
 * A vCPU on libuv's pool: no thread and no isolate of its own, 20 us or so per exit. The default for one vCPU.
 */
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { kickThreads, prepareKick } from './kick.ts'
import type { RunnerEvents, VcpuRunner } from './vcpu-runner.ts'
import { VcpuState } from './vcpu-state.ts'

export function createPoolRunner(vcpu: VcpuFd, { onExit, onError }: RunnerEvents): VcpuRunner {
  const state = new VcpuState({
    kick() {
      vcpu.immediateExit = true
      kickThreads()
    },
    leave: () => settle('stopped'),
  })

  const enter = () => {
    vcpu.runAsync((outcome, error) => {
      if (error) fail(error)
      else if (outcome === 'exit' && handle() === 'stop') settle('stopped')
      else if (state.now === 'running') enter()
      else comeToRest()
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

  const comeToRest = () => {
    try {
      settle(state.now === 'stopping' || completeExit() === 'stop' ? 'stopped' : 'paused')
    } catch (error) {
      fail(error as Error)
    }
  }

  /**
   * api.rst KVM_RUN: pending I/O is completed by entering once more with immediate_exit set. That may bring the next
   * exit of the same instruction: the other half of an access across two pages, the next batch of a string.
   */
  const completeExit = () => {
    vcpu.immediateExit = true
    while (vcpu.run() === 'exit') {
      if (handle() === 'stop') return 'stop'
    }
    return state.now === 'stopping' ? 'stop' : 'continue'
  }

  const settle = (reached: 'paused' | 'stopped') => {
    vcpu.immediateExit = false
    state.settle(reached)
  }

  const fail = (error: Error) => {
    settle('stopped')
    onError(error)
  }

  return {
    start() {
      prepareKick()
      state.now = 'running'
      enter()
    },
    pause: () => state.pause(),
    resume() {
      if (state.now !== 'paused') return
      state.now = 'running'
      enter()
    },
    stop: () => state.stop(),
  }
}
