/** `cloister run`: one program, in the foreground, with its own exit status. */
import type { ExitResult, Stdio } from '../../instance/instance.ts'
import { claimRunRoot } from '../../instance/state-root.ts'
import { type ClaimedInstance, InstanceStore } from '../../instance/store.ts'
import { loadLevel } from '../../levels.ts'
import { type CommandContext, flag, text } from '../command.ts'
import { catchEarlySignals, runInForeground } from '../foreground.ts'
import { writePhases } from '../phases-file.ts'
import { parseDurationMs } from '../quantities.ts'
import { runRequest } from '../run-request.ts'
import { sweepOrphans } from '../sweep.ts'
import { printError } from '../terminal.ts'

const SIGKILL = 9

export async function run({ arguments: parsed, log, leaveBy }: CommandContext): Promise<number> {
  const spec = runRequest(parsed)
  const asked = text(parsed, 'timeout')
  const timeoutMs = asked === undefined ? undefined : parseDurationMs(asked)
  const interactive = flag(parsed, 'interactive')

  const store = new InstanceStore(claimRunRoot())
  await sweepOrphans(store, log, { quick: true })
  const name = text(parsed, 'name')
  const early = catchEarlySignals()
  const claimed = store.claim({ ...(name === undefined ? {} : { name }), removeOnExit: flag(parsed, 'rm'), spec })
  return await untilEnd(claimed, async () => {
    const level = await loadLevel(claimed.spec.isolation)
    leaveBy(level.leave)
    const stdio: Stdio = { ...(interactive ? { stdin: 0 } : {}), stdout: 1, stderr: 2 }
    const context = { directory: claimed.directory, stdio, log: log.child({ instance: claimed.name }) }
    const instance = level.create(claimed.spec, context)
    const limits = timeoutMs === undefined ? {} : { timeoutMs }
    const result = await runInForeground(instance, { interactive, early, ...limits })
    writePhases(instance.phases)
    return result
  })
}

/** An instance that never started leaves no record; one that did leaves how it ended. */
async function untilEnd(claimed: ClaimedInstance, work: () => Promise<ExitResult>): Promise<number> {
  try {
    const ended = await work()
    const result = claimed.removalAsked() ? removed(claimed.name) : ended
    claimed.finish(result)
    if (result.report !== undefined) printError(`cloister: ${result.report}`)
    return result.exitCode
  } catch (error) {
    claimed.abandon()
    throw error
  }
}

/** `rm -f` ends a run by interrupts; to whoever waits for it that is a kill. */
const removed = (name: string): ExitResult => ({
  exitCode: 128 + SIGKILL,
  report: `Instance "${name}" was ended and removed by another command: cloister rm -f.`,
})
