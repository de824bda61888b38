/** Asks the process that holds an instance. */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { HostError, UsageError } from '../errors.ts'
import { isAlive } from '../instance/process-identity.ts'
import type { InstanceRecord } from '../instance/record.ts'
import type { Answers, ControlRequest, Reply, Verb } from './protocol.ts'
import { shortSocketPath } from './socket-path.ts'

/** A holder opens its socket within a few hundred milliseconds; on a busy host that may be seconds. */
const BOOTING_MS = 10_000
const LOOK_MS = 20
/** Answers are short, the description of a VM aside. */
const ANSWER_MAX = 1 << 20

/** The instance ended while it was asked: its record says how. */
export class HolderGone extends Error {
  override readonly name = 'HolderGone'
}

export interface ControlClient {
  readonly socket: Socket
  /** @throws UsageError when the instance refuses, HolderGone when its process ends before it answers */
  ask<V extends Verb>(request: Extract<ControlRequest, { verb: V }>): Promise<Answers[V]>
  close(): void
}

/** Waits, within bounds, for an instance that is still booting. @throws HolderGone, HostError */
export async function connectControl({ name, directory, state }: InstanceRecord): Promise<ControlClient> {
  for (const deadline = Date.now() + BOOTING_MS; ; await sleep(LOOK_MS)) {
    try {
      return clientOf(await open(directory))
    } catch (cause) {
      if (!isAlive(state.owner)) throw new HolderGone()
      const { code = '' } = cause as NodeJS.ErrnoException
      if (!['ENOENT', 'ECONNREFUSED', 'EAGAIN'].includes(code) || Date.now() > deadline) {
        const reason = code === 'ENOENT' ? 'it is still starting' : `its control socket gave ${code || cause}`
        throw new HostError(`Cannot reach instance "${name}": ${reason}.`, {
          hint: `"cloister rm -f ${name}" ends its process ${state.owner.pid}.`,
          cause,
        })
      }
    }
  }
}

const open = (directory: string) =>
  new Promise<Socket>((resolve, reject) => {
    const { path, close } = shortSocketPath(directory)
    const socket = connect(path)
    const onError = (error: Error) => {
      close()
      reject(error)
    }
    socket.once('error', onError)
    socket.once('connect', () => {
      // An error later is the conversation's: the directory must not be closed a second time.
      socket.off('error', onError)
      close()
      resolve(socket)
    })
  })

function clientOf(socket: Socket): ControlClient {
  socket.on('error', () => socket.destroy())
  return {
    socket,
    async ask(request) {
      socket.write(`${JSON.stringify(request)}\n`)
      const reply = JSON.parse(await readLine(socket)) as Reply<typeof request.verb>
      if (!reply.ok) throw new UsageError(reply.error.message, reply.error)
      return reply
    },
    close: () => socket.destroy(),
  }
}

/** Bytes after the line stay in the socket. */
const readLine = (socket: Socket) =>
  new Promise<string>((resolve, reject) => {
    let pending: Buffer = Buffer.alloc(0)
    const onData = (bytes: Buffer) => {
      pending = Buffer.concat([pending, bytes])
      const end = pending.indexOf('\n')
      if (end === -1 && pending.length <= ANSWER_MAX) return
      settle()
      if (end === -1) return reject(new HolderGone())
      socket.pause()
      if (end + 1 < pending.length) socket.unshift(pending.subarray(end + 1))
      resolve(pending.toString('utf8', 0, end))
    }
    const onClose = () => {
      settle()
      reject(new HolderGone())
    }
    const settle = () => {
      socket.off('data', onData)
      socket.off('close', onClose)
    }
    socket.on('data', onData)
    socket.on('close', onClose)
    socket.resume()
    if (socket.destroyed) onClose()
  })
