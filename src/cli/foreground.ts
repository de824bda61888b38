/** Runs an instance in the foreground: passes signals on, keeps the time limit, and always comes back. */
import { formatDurationMs } from '../duration.ts'
import { EXIT } from '../errors.ts'
import type { ExitResult, Instance } from '../instance/instance.ts'
import { putOnRecord } from '../instance/put-on-record.ts'
import type { ClaimedInstance } from '../instance/store.ts'
import { timeLimitOver } from '../instance/time-limit.ts'

/** With their Linux numbers, signal(7). */
const FORWARDED = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGUSR1: 10, SIGUSR2: 12, SIGTERM: 15 } as const
type ForwardedSignal = keyof typeof FORWARDED
/** Two of them within this time mean it. */
const INSISTING_MS = 2000
/** A terminal and `timeout` signal the whole process group, and its parents may too: that is one wish. */
const ECHO_MS = 200
const LINGERING_MS = 200
/** A program that was asked to end, and was not asked to stay by a person at its standard input, has this long. */
const GRACE_MS = 10_000

/** Signals that came before there was an instance to pass them to. */
export interface EarlySignals {
  /** The first one, if any. */
  take(): number | undefined
}

/**
 * From the moment an instance is on record a signal must not end us by default, for the rest of this process: neither
 * before `runInForeground` listens nor while the end is being written down.
 */
export function catchEarlySignals(): EarlySignals {
  let first: number | undefined
  for (const [signal, signo] of Object.entries(FORWARDED)) {
    process.on(signal, () => {
      first ??= signo
    })
  }
  return { take: () => first }
}

export interface ForegroundOptions {
  readonly early?: EarlySignals
  readonly timeoutMs?: number
  readonly interactive: boolean
}

/** @returns how it ended, which is on record by then */
export async function runInForeground(
  instance: Instance,
  claimed: ClaimedInstance,
  options: ForegroundOptions,
): Promise<ExitResult> {
  const timers = new Set<NodeJS.Timeout>()
  const after = (ms: number, then: () => void): void => void timers.add(setTimeout(then, ms))
  const stopForwarding = forwardSignals(instance, options, after)
  const stopGuarding = killOnFault(instance)
  // The program does not run yet: whoever wanted it to end has what they wanted.
  const early = options.early?.take()
  if (early !== undefined) instance.kill({ exitCode: 128 + early })
  if (options.timeoutMs !== undefined) {
    const over = timeLimitOver(options.timeoutMs)
    after(options.timeoutMs, () => instance.kill(over))
  }
  const lingering = lingerOn(instance, claimed, after)
  try {
    await instance.start()
    lingering.begin()
    const result = await instance.wait()
    for (const timer of timers) clearTimeout(timer)
    await instance.close()
    return await lingering.finish(result)
  } finally {
    for (const timer of timers) clearTimeout(timer)
    await instance.close()
    stopForwarding()
    stopGuarding()
  }
}

/**
 * One that runs for a while can be steered by other commands and is described on record. Most end before: they are
 * spared the milliseconds that this takes.
 */
function lingerOn(instance: Instance, claimed: ClaimedInstance, after: (ms: number, then: () => void) => void) {
  let opening: Promise<{ finish(result: ExitResult): Promise<ExitResult> }> | undefined
  const open = async () => {
    const { openControl } = await import('../holder/control.ts')
    return await openControl(instance, claimed)
  }
  return {
    begin: () =>
      after(LINGERING_MS, () => {
        opening = open()
        // Whoever finishes hears of it.
        opening.catch(() => {})
      }),
    async finish(result: ExitResult): Promise<ExitResult> {
      const control = await opening?.catch(() => undefined)
      if (control) return await control.finish(result)
      return putOnRecord(claimed, result)
    },
  }
}

function forwardSignals(
  instance: Instance,
  { interactive }: ForegroundOptions,
  after: (ms: number, then: () => void) => void,
): () => void {
  let lastInterrupt = Number.NEGATIVE_INFINITY
  const forward = (signal: ForwardedSignal): void => {
    const signo = FORWARDED[signal]
    const kill = (report: string): void => instance.kill({ exitCode: 128 + signo, report })
    if (signal === 'SIGINT') {
      const now = performance.now()
      if (now - lastInterrupt < ECHO_MS) return
      const insisting = now - lastInterrupt < INSISTING_MS
      lastInterrupt = now
      if (insisting) {
        kill('Interrupted twice: the program was ended.')
        return
      }
    }
    instance.signal(signo)
    if (!interactive && (signal === 'SIGINT' || signal === 'SIGTERM')) {
      after(GRACE_MS, () =>
        kill(`${signal} did not end the program within ${formatDurationMs(GRACE_MS)}: it was ended.`),
      )
    }
  }
  const signals = Object.keys(FORWARDED) as ForwardedSignal[]
  const listeners = signals.map((signal) => ({ signal, listener: () => forward(signal) }))
  for (const { signal, listener } of listeners) process.on(signal, listener)
  return () => {
    for (const { signal, listener } of listeners) process.off(signal, listener)
  }
}

/** An error of ours must not leave a guest running: nobody could leave this process while a vCPU is in KVM_RUN. */
function killOnFault(instance: Instance): () => void {
  const onFault = (error: unknown): void => {
    const message = error instanceof Error ? error.message : String(error)
    instance.kill({ exitCode: EXIT.cloisterFailed, report: `Cloister failed while the program ran: ${message}` })
  }
  process.on('uncaughtException', onFault)
  process.on('unhandledRejection', onFault)
  return () => {
    process.off('uncaughtException', onFault)
    process.off('unhandledRejection', onFault)
  }
}
