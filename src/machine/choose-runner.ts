/** Which thread runs the vCPUs of a machine, when nobody says otherwise. bench/vcpu-threads.ts shows what it costs. */
import { release } from 'node:os'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { createPoolRunner } from './pool-runner.ts'
import type { RunnerEvents, VcpuRunner } from './vcpu-runner.ts'

export type RunnerKind = 'pool' | 'worker'

/** From here on a vCPU may enter KVM_RUN on another thread than before without waiting for a grace period of RCU. */
const CHEAP_HOPS = [6, 13] as const

/**
 * The pool costs neither memory nor time to start. One vCPU keeps its pool thread; several hop between the threads,
 * which is dear on older kernels: there each gets a Worker, 8 MB and 30 ms or more for one.
 */
export function runnerKind(cpus: number, kernel?: string): RunnerKind {
  return cpus === 1 || hopsAreCheap(kernel ?? release()) ? 'pool' : 'worker'
}

function hopsAreCheap(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map(Number)
  return major > CHEAP_HOPS[0] || (major === CHEAP_HOPS[0] && minor >= CHEAP_HOPS[1])
}

/** Workers are loaded only for whoever asks: the module behind them is a millisecond of every start. */
export async function runnerFactory(kind: RunnerKind): Promise<(vcpu: VcpuFd, events: RunnerEvents) => VcpuRunner> {
  return kind === 'pool' ? createPoolRunner : (await import('./worker-runner.ts')).createWorkerRunner
}
