/**
 * Sizes libuv's pool before its first use; libuv reads the size once per process. Just large enough is best: a vCPU that
 * finds several idle threads hops between them, which doubles the cost of an exit (bench/exit-roundtrip.ts), and more
 * on kernels before 6.13. Too small is fatal: KVM_RUN would wait for a thread for ever.
 */

/** KVM_RUN, and the reactor's epoll_wait. */
const MACHINE_THREADS = 2

/** @param others threads that the process needs besides, such as one to read a file as standard input */
export function sizeThreadPool(others: number): void {
  process.env.UV_THREADPOOL_SIZE = String(MACHINE_THREADS + others)
}
