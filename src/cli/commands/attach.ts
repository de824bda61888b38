/**
 * `cloister attach`: standard streams of this command become those of a detached instance. Where it has a terminal of
 * its own, ours is lent to it, and a sequence of keys leads back.
 */
import { type ControlClient, connectControl, HolderGone } from '../../control/client.ts'
import { FRAME_MAX, frameReader, frames, STREAM } from '../../control/frames.ts'
import { HostError } from '../../errors.ts'
import type { ExitResult, TerminalSize } from '../../instance/instance.ts'
import type { InstanceRecord } from '../../instance/record.ts'
import { type CommandContext, flag } from '../command.ts'
import { detachKeys } from '../detach-keys.ts'
import { liveRecordNamed, openStore, withControl } from '../instances.ts'
import { lendTerminal } from '../own-terminal.ts'
import { printError, writeAll } from '../terminal.ts'

const FORWARDED = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const

export async function run(context: CommandContext): Promise<number> {
  const name = context.arguments.operands[0]!
  const record = liveRecordNamed(await openStore(context), name, 'attach to')
  if (!flag(context.arguments, 'no-signals')) forwardSignals(record)
  return await withControl(record, 'attach to', async (client) => {
    await client.ask({ verb: 'attach', input: true })
    const ended = watch(client, name)
    const { interactive, tty } = record.config.spec
    const reads = interactive && !flag(context.arguments, 'no-stdin')
    const terminal = tty ? lendTerminal(reads, (size) => void resize(record, size)) : undefined
    try {
      const detached = reads ? sendInput(client, tty === true) : undefined
      const { exitCode, report } = await (detached ? Promise.race([ended, detached]) : ended)
      if (report !== undefined) printError(`cloister: ${report}`)
      return exitCode
    } finally {
      terminal?.giveBack()
      process.stdin.destroy()
    }
  })
}

function watch({ socket }: ControlClient, name: string): Promise<ExitResult> {
  return new Promise((resolve, reject) => {
    const onBytes = frameReader((stream, payload) => {
      if (stream === STREAM.stdout) writeAll(1, payload)
      else if (stream === STREAM.stderr) writeAll(2, payload)
      else if (stream === STREAM.end) {
        const { result, error } = JSON.parse(payload.toString()) as { result?: ExitResult; error?: string }
        if (result) resolve(result)
        else reject(dismissed(name, error))
      }
    })
    socket.on('data', (bytes) => {
      try {
        onBytes(bytes)
      } catch (error) {
        reject(error as Error)
      }
    })
    socket.on('close', () => reject(new HolderGone()))
    socket.resume()
  })
}

const dismissed = (name: string, reason = 'its holder gave no reason') =>
  new HostError(`Cannot stay attached to "${name}": ${reason}.`, {
    hint: `It runs on. "cloister logs -f ${name}" has all of its output, for readers of any pace.`,
  })

const LEFT: ExitResult = { exitCode: 0 }

/** @returns settles when the keys that lead back were typed on the terminal that was lent */
function sendInput({ socket }: ControlClient, lent: boolean): Promise<ExitResult> {
  let leave: (result: ExitResult) => void
  const left = new Promise<ExitResult>((resolve) => {
    leave = resolve
  })
  const keys = lent ? detachKeys() : undefined
  process.stdin.on('data', (typed: Buffer) => {
    const { bytes, detached } = keys?.(typed) ?? { bytes: typed, detached: false }
    for (let at = 0; at < bytes.length; at += FRAME_MAX) {
      if (!socket.write(frames(STREAM.stdin, bytes.subarray(at, at + FRAME_MAX)))) process.stdin.pause()
    }
    if (detached) leave(LEFT)
  })
  socket.on('drain', () => process.stdin.resume())
  // A terminal that is taken away, or not ours to read: that is no end of the program's input.
  process.stdin.on('error', () => {})
  process.stdin.on('end', () => socket.write(frames(STREAM.stdin, Buffer.alloc(0))))
  return left
}

/** It may have ended meanwhile, which the stream says too. */
async function resize(record: InstanceRecord, { cols, rows }: TerminalSize): Promise<void> {
  try {
    const client = await connectControl(record)
    await client.ask({ verb: 'resize', cols, rows })
    client.close()
  } catch {}
}

function forwardSignals(record: InstanceRecord): void {
  for (const [signal, signo] of Object.entries(FORWARDED)) {
    process.on(signal, () => {
      connectControl(record)
        .then(async (client) => {
          await client.ask({ verb: 'signal', signo })
          client.close()
        })
        // It ended meanwhile, which the stream says too.
        .catch(() => {})
    })
  }
}
