/** Long work in the foreground that a signal ends in an orderly way: what it started is ended, and then we leave. */
import { setMaxListeners } from 'node:events'
import { Interrupted } from '../compare/child.ts'

/** With their Linux numbers, signal(7). */
const INTERRUPTS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

/** @returns what the work answers, or the exit status when a signal ended it. */
export async function interruptible<T>(work: (abort: AbortSignal) => Promise<T>): Promise<{ answer: T } | number> {
  const controller = new AbortController()
  // Every process that was started listens, and there may be hundreds.
  setMaxListeners(0, controller.signal)
  const signals = Object.keys(INTERRUPTS) as (keyof typeof INTERRUPTS)[]
  const listeners = signals.map((signal) => ({ signal, listener: () => controller.abort(new Interrupted(signal)) }))
  for (const { signal, listener } of listeners) process.on(signal, listener)
  try {
    return { answer: await work(controller.signal) }
  } catch (error) {
    const { reason } = controller.signal
    if (reason instanceof Interrupted) return 128 + INTERRUPTS[reason.signal as keyof typeof INTERRUPTS]
    throw error
  } finally {
    for (const { signal, listener } of listeners) process.off(signal, listener)
  }
}
