/**
 * A thread for one vCPU: sits in KVM_RUN, answers accesses to ports that nobody claims, hands all else to the main
 * thread. Started by worker-runner.ts; bundled as a file of its own because Node starts Workers from files.
 */
import { workerData } from 'node:worker_threads'
import { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { EXIT_FOR_MAIN, INTERRUPTED, LEAVE, LEFT, TURN, type VcpuWorkerData, WORKERS_TURN } from './vcpu-turns.ts'

const { turns, fd, id, runPageAddress, runPageSize, claimedPorts } = workerData as VcpuWorkerData
const vcpu = VcpuFd.adopt({ fd, id, runPageAddress, runPageSize })

const claimed = (port: number) =>
  claimedPorts === undefined || claimedPorts.some(({ base, size }) => port >= base && port < base + size)

/** Whether the exit needed nobody. */
function answer(): boolean {
  const exit = vcpu.exit()
  if (exit.kind !== 'io' || claimed(exit.port)) return false
  if (exit.direction === 'in') exit.data.fill(0xff)
  return true
}

function handOver(turn: number): void {
  Atomics.store(turns, TURN, turn)
  Atomics.notify(turns, TURN)
  // A wake-up proves nothing (vcpu-turns.ts): entering KVM_RUN too early would lose the exit.
  while (Atomics.load(turns, TURN) === turn) Atomics.wait(turns, TURN, turn)
}

try {
  while (Atomics.load(turns, LEAVE) === 0) {
    if (vcpu.run() === 'interrupted') handOver(INTERRUPTED)
    else if (!answer()) handOver(EXIT_FOR_MAIN)
  }
} finally {
  if (Atomics.exchange(turns, TURN, LEFT) === WORKERS_TURN) Atomics.notify(turns, TURN)
}
