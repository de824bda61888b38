/**
 * The process that holds one detached instance, from its start to its end: its VMM, or the one that waits for its
 * container. Started by `run -d` (detach.ts) in a session of its own; nobody need stay for it.
 */
import { Socket } from 'node:net'
import { serveControl } from '../control/server.ts'
import { CloisterError, EXIT } from '../errors.ts'
import type { ExitResult, Instance } from '../instance/instance.ts'
import { OutputLog } from '../instance/output-log.ts'
import type { RunSpec } from '../instance/run-spec.ts'
import type { ClaimedInstance, InstanceStore } from '../instance/store.ts'
import { timeLimitOver } from '../instance/time-limit.ts'
import { type Level, loadLevel } from '../levels.ts'
import { createLog, type Log } from '../log.ts'
import { Attachments } from './attachments.ts'
import { recordDescription } from './description.ts'
import { type Held, hold } from './held.ts'
import { openOwnLog } from './own-log.ts'
import { openProgramStreams } from './program-streams.ts'
import { type HoldReply, type HoldRequest, REQUEST_FD } from './request.ts'

/** A program has this long to end when this process is asked to, as at the host's shutdown. */
const SHUTDOWN_GRACE_MS = 10_000
const NEVER_RAN: readonly number[] = [EXIT.cloisterFailed, EXIT.notExecutable, EXIT.notFound]

/** @param leaveBy is told how this process is to end, once that depends on the level. @returns its exit status */
export async function runHolder(
  openStore: () => InstanceStore,
  leaveBy: (leave: Level['leave']) => void,
): Promise<number> {
  const connection = new Socket({ fd: REQUEST_FD })
  // Whoever asked may be gone; the instance is there all the same.
  connection.on('error', () => connection.destroy())
  const reply = (answer: HoldReply) =>
    new Promise<void>((resolve) => {
      connection.once('close', () => resolve())
      if (connection.destroyed) resolve()
      connection.end(`${JSON.stringify(answer)}\n`, () => resolve())
    })
  try {
    const request = JSON.parse(await readLine(connection)) as HoldRequest
    const { spec, removeOnExit } = request
    const name = request.name === undefined ? {} : { name: request.name }
    const claimed = openStore().claim({ ...name, removeOnExit, detached: true, spec: (given) => named(spec, given) })
    let started = false
    try {
      const level = await loadLevel(claimed.spec.isolation)
      leaveBy(level.leave)
      await holdToTheEnd(claimed, level, request, () => {
        started = true
        return reply({ name: claimed.name })
      })
    } catch (error) {
      // What ran stays on record: the next command finds that we ended without a word.
      if (!started) claimed.abandon()
      throw error
    }
  } catch (error) {
    const { message } = error as Error
    const { hint, exitCode = EXIT.cloisterFailed } = error as CloisterError
    await reply({ error: { message, exitCode, ...(hint === undefined ? {} : { hint }) } })
  }
  return 0
}

/** @throws when it could not be started; from then on whatever happens is how it ended */
async function holdToTheEnd(
  claimed: ClaimedInstance,
  level: Level,
  request: HoldRequest,
  started: () => Promise<void>,
): Promise<void> {
  const { directory, spec } = claimed
  const log = createLog({ level: request.logLevel, write: openOwnLog(directory) })
  const output = new OutputLog(directory, request.logBytes)
  const streams = openProgramStreams(spec.interactive, (stream, bytes) => {
    output.append(stream, bytes)
    attachments.output(stream, bytes)
  })
  const attachments = new Attachments(streams.input)
  const instance = level.create(spec, { directory, stdio: streams.stdio, log, detached: true })
  const held = hold(instance, claimed, attachments)
  endBySignal(held)
  survive(instance, log)
  const control = await serveControl(directory, held.operations)
  try {
    await start(instance)
    recordDescription(instance, directory)
    limitTime(instance, request.timeoutMs)
    await started()
    const result = await untilEnd(instance, log, () => streams.drained())
    // Whoever reads that it has ended finds all of its output.
    output.flush()
    held.finish(result)
  } finally {
    await instance.close()
    await control.close()
    output.close()
    await log.flush()
  }
}

async function untilEnd(instance: Instance, log: Log, drained: () => Promise<void>): Promise<ExitResult> {
  try {
    const result = await instance.wait()
    await instance.close()
    await drained()
    return result
  } catch (error) {
    log.error('a fault of ours at the end of the instance', { error })
    return { exitCode: EXIT.cloisterFailed, report: `Cloister failed at the end: ${(error as Error).message}` }
  }
}

/** What never ran is an error of whoever asked for it, and leaves no record. */
async function start(instance: Instance): Promise<void> {
  await instance.start()
  const ended = await Promise.race([
    instance.wait(),
    new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined))),
  ])
  if (ended?.report !== undefined && NEVER_RAN.includes(ended.exitCode)) {
    // A guest's kernel says in further lines why it gave up: an error has two more.
    const [what, ...why] = ended.report.split('\n')
    const hint = why.slice(0, 2).map((line) => line.trim())
    throw new CloisterError(what!, { exitCode: ended.exitCode, ...(hint.length > 0 && { hint: hint.join('\n  ') }) })
  }
}

/** Its host name is its name, unless the user said otherwise. */
const named = (spec: RunSpec, name: string): RunSpec => ({
  ...spec,
  name,
  env: spec.env.map((entry) => (entry === 'HOSTNAME=' ? `HOSTNAME=${name}` : entry)),
})

/** One line, written by the `run -d` that started us. */
async function readLine(connection: Socket): Promise<string> {
  let text = ''
  for await (const bytes of connection.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
    text += bytes as string
    if (text.endsWith('\n')) return text
  }
  throw new CloisterError('Cannot start: the request was cut short.')
}

function limitTime(instance: Instance, timeoutMs: number | undefined): void {
  if (timeoutMs === undefined) return
  const result = timeLimitOver(timeoutMs)
  setTimeout(() => instance.kill(result), timeoutMs).unref()
}

/** Caught for good: while the end is being written down no signal is to cut that short. */
function endBySignal(held: Held): void {
  const stop = () => held.stop(SHUTDOWN_GRACE_MS)
  const ignore = () => {}
  const signals = { SIGTERM: stop, SIGINT: stop, SIGHUP: ignore, SIGQUIT: ignore } as const
  for (const [signal, listener] of Object.entries(signals)) process.on(signal, listener)
}

/** An error of ours ends this instance, with its reason. */
function survive(instance: Instance, log: Log): void {
  const onFault = (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error)
    log.error('a fault of ours ends the instance', { error })
    instance.kill({ exitCode: EXIT.cloisterFailed, report: `Cloister failed while the program ran: ${message}` })
  }
  process.on('uncaughtException', onFault)
  process.on('unhandledRejection', onFault)
}
