/**
 * The shared words by which a vCPU Worker and the main thread hand an exit to each other and back.
 *
 * Whoever gives the turn away stores it, then notifies. A thread that is preempted between the two notifies late: the
 * other one has seen the store by itself, has had its turn, and waits again. So being woken proves nothing; only the
 * word says whose turn it is, and both sides look at it again.
 */

/** Int32 index: whose turn it is. */
export const TURN = 0
/** The Worker is in the guest, or about to enter it. */
export const WORKERS_TURN = 0
/** An exit waits in the kvm_run page for the main thread. */
export const EXIT_FOR_MAIN = 1
/** KVM_RUN was interrupted by a kick. */
export const INTERRUPTED = 2
/** The Worker left its loop for good. */
export const LEFT = 3

/** Int32 index: set to 1 to make the Worker leave when it next has the turn. */
export const LEAVE = 1

export const TURN_WORDS = 2

/** What the Worker is started with; native memory and descriptors are shared by number within one process. */
export interface VcpuWorkerData {
  readonly turns: Int32Array
  readonly fd: number
  readonly id: number
  readonly runPageAddress: bigint
  readonly runPageSize: number
  readonly claimedPorts: readonly { readonly base: number; readonly size: number }[] | undefined
}
