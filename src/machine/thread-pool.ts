/**
 * Sizes libuv's pool before its first use; libuv reads the size once per process. Just large enough is best: a vCPU that
 * finds several idle threads hops between them, which doubles the cost of an exit (bench/exit-roundtrip.ts), and more
 * on kernels before 6.13. Too small is fatal: KVM_RUN would wait for a thread for ever.
 */

/**
 * @param vcpus those that run on the pool
 * @param others threads that the process needs besides: the reactor's where it has one, one to read a file as input
 */
export function sizeThreadPool(vcpus: number, others: number): void {
  process.env.UV_THREADPOOL_SIZE = String(Math.max(1, vcpus + others))
}

/** How many it has: libuv's own choice unless somebody said. */
export const poolThreads = (): number => Number(process.env.UV_THREADPOOL_SIZE ?? 4)
