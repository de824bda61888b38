/** `--trace exits`: one line per exit to user space, numbered and timed, for people who want to watch. */
import { exitReasonName, type VcpuExit } from '../../kvm-bindings/vcpu-exit.ts'
import { type DeviceNames, describeAnswer, describeExit } from './exit-words.ts'

/** To be called once the exit is answered: a read is told with the value that the guest gets. */
export type ExitTrace = (exit: VcpuExit, vcpu: number) => void

/** @param cpus of several, each line says which one it was */
export function createExitTrace(names: DeviceNames, cpus: number, emit: (line: string) => void): ExitTrace {
  let number = 0
  let last = process.hrtime.bigint()
  return (exit, vcpu) => {
    const now = process.hrtime.bigint()
    const sinceUs = Number(now - last) / 1000
    last = now
    number++
    const name = exitReasonName(exit.reason).padEnd(24)
    const who = cpus > 1 ? `vCPU ${String(vcpu).padEnd(2)} ` : ''
    emit(
      `#${String(number).padEnd(6)} +${sinceUs.toFixed(0).padStart(7)} us  ${who}${name} ${describeExit(exit, names)}${describeAnswer(exit)}`,
    )
  }
}
