/** Starts the process that will hold a detached instance, and waits until its program has been started. */
import { spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { CloisterError, HostError } from '../errors.ts'
import { type HoldReply, type HoldRequest, REQUEST_FD } from './request.ts'

/** The hidden command that `main.ts` knows. */
export const HOLD_COMMAND = 'hold'
const REPLY_MAX = 1 << 16
/** Thousands of holders may rest at the same time: V8's own threads are left out, and its collector works on the main one. */
const NODE_FLAGS = ['--v8-pool-size=0']

/** @returns the instance's name @throws what kept it from starting */
export async function detach(request: HoldRequest): Promise<string> {
  const stdio = [...Array.from({ length: REQUEST_FD }, () => 'ignore' as const), 'pipe' as const]
  // The same bundle by the same Node; "--" as in bin/cloister.
  const child = spawn(process.execPath, [...NODE_FLAGS, '--', process.argv[1]!, HOLD_COMMAND], {
    stdio,
    detached: true,
    cwd: '/',
  })
  const connection = child.stdio[REQUEST_FD] as Socket
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause) =>
      reject(new HostError(`Cannot start ${process.execPath}: ${cause.message}.`, { cause })),
    )
    // After all it said was read.
    child.once('close', (code, signal) =>
      reject(new HostError(`Cannot start the instance: its process ended with ${signal ?? code} and said nothing.`)),
    )
  })
  try {
    connection.write(`${JSON.stringify(request)}\n`)
    const answer = JSON.parse(await Promise.race([readLine(connection), failed])) as HoldReply
    if ('error' in answer) throw new CloisterError(answer.error.message, answer.error)
    return answer.name
  } finally {
    child.unref()
    connection.destroy()
    failed.catch(() => {})
  }
}

const readLine = (connection: Socket) =>
  new Promise<string>((resolve) => {
    let text = ''
    connection.on('error', () => {})
    connection.setEncoding('utf8').on('data', (part: string) => {
      text += part
      if (text.endsWith('\n') || text.length > REPLY_MAX) resolve(text)
    })
  })
