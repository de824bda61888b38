/**
 * The one way a vCPU runs. What differs behind it is the thread that sits in KVM_RUN: a libuv pool thread
 * (pool-runner.ts) or a Worker (worker-runner.ts). Exits are handled on the main thread either way.
 */
import type { SyscallError } from '../../kvm-bindings/ffi.ts'
import type { VcpuExit } from '../../kvm-bindings/vcpu-exit.ts'

/** Says whether the vCPU goes on. The exit's buffers are live views of the kvm_run page: valid during the call only. */
export type ExitHandler = (exit: VcpuExit) => 'continue' | 'stop'

export interface RunnerEvents {
  readonly onExit: ExitHandler
  /**
   * Ports that somebody answers. A runner on a thread of its own may answer all others by itself, as an empty bus
   * does (reads give ones, writes are dropped); without the list every exit reaches `onExit`.
   */
  readonly claimedPorts?: readonly { readonly base: number; readonly size: number }[]
  /** KVM_RUN itself failed, or the handler threw: the vCPU has stopped. */
  readonly onError: (error: SyscallError | Error) => void
}

export interface VcpuRunner {
  /** The vCPU enters the guest. */
  start(): void
  /** Resolves when the vCPU is out of the guest and its last exit is complete: its state may be read. */
  pause(): Promise<void>
  resume(): void
  /** Resolves when no thread is or will ever again be in KVM_RUN, whatever the guest does. Idempotent. */
  stop(): Promise<void>
}
