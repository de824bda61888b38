/** `cloister run`: one program, in the foreground with its own exit status, or detached. */
import type { ExitResult, Stdio, TerminalSize } from '../../instance/instance.ts'
import type { RunSpec } from '../../instance/run-spec.ts'
import { claimRunRoot } from '../../instance/state-root.ts'
import { type ClaimedInstance, InstanceStore } from '../../instance/store.ts'
import { loadLevel } from '../../levels.ts'
import { parseLogLevel } from '../../log.ts'
import { type CommandContext, flag, type ParsedArguments, text } from '../command.ts'
import { catchEarlySignals, runInForeground } from '../foreground.ts'
import { lendTerminal } from '../own-terminal.ts'
import { writePhases } from '../phases-file.ts'
import { parseDurationMs, parseSize } from '../quantities.ts'
import { runRequest } from '../run-request.ts'
import { sweepOrphans } from '../sweep.ts'
import { print, printError } from '../terminal.ts'

export async function run({ arguments: parsed, log, leaveBy }: CommandContext): Promise<number> {
  const spec = runRequest(parsed)
  const asked = text(parsed, 'timeout')
  const limits = asked === undefined ? {} : { timeoutMs: parseDurationMs(asked) }
  const interactive = flag(parsed, 'interactive')
  const naming = {
    ...(text(parsed, 'name') === undefined ? {} : { name: text(parsed, 'name')! }),
    removeOnExit: flag(parsed, 'rm'),
  }

  const store = new InstanceStore(claimRunRoot())
  await sweepOrphans(store, log, { quick: true })
  if (flag(parsed, 'detach')) return await runDetached(parsed, { ...naming, ...limits, spec: spec(naming.name ?? '') })
  const early = catchEarlySignals()
  const claimed = store.claim({ ...naming, spec })
  return await untilEnd(claimed, async () => {
    const level = await loadLevel(claimed.spec.isolation)
    leaveBy(level.leave)
    const stdio: Stdio = { ...(interactive ? { stdin: 0 } : {}), stdout: 1, stderr: 2 }
    const context = { directory: claimed.directory, stdio, log: log.child({ instance: claimed.name }) }
    const instance = level.create(claimed.spec, context)
    const resize = (size: TerminalSize) => instance.resize?.(size)
    const terminal = claimed.spec.tty ? lendTerminal(interactive, resize, instance.joined?.()) : undefined
    try {
      const result = await runInForeground(instance, claimed, { interactive, early, ...limits })
      writePhases(instance.phases)
      return result
    } finally {
      terminal?.giveBack()
    }
  })
}

interface DetachedRequest {
  readonly spec: RunSpec
  readonly name?: string
  readonly removeOnExit: boolean
  readonly timeoutMs?: number
}

async function runDetached(parsed: ParsedArguments, request: DetachedRequest): Promise<number> {
  const { detach } = await import('../../holder/detach.ts')
  const { DEFAULT_LOG_BYTES } = await import('../../instance/output-log.ts')
  const logSize = text(parsed, 'log-size')
  const name = await detach({
    ...request,
    logBytes: logSize === undefined ? DEFAULT_LOG_BYTES : parseSize(logSize),
    logLevel: parseLogLevel(text(parsed, 'log-level') ?? 'warn'),
  })
  print(name)
  return 0
}

/** An instance that never started leaves no record; one that did has left how it ended. */
async function untilEnd(claimed: ClaimedInstance, work: () => Promise<ExitResult>): Promise<number> {
  try {
    const result = await work()
    if (result.report !== undefined) printError(`cloister: ${result.report}`)
    return result.exitCode
  } catch (error) {
    claimed.abandon()
    throw error
  }
}
