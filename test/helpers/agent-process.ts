/** The guest's agent as an ordinary process of this host, built with sanitizers: sessions only, on a Unix socket. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import type { AgentTransport } from '../../src/agent/transport.ts'
import { packageRoot } from '../../src/paths.ts'

const ROOTFS = join(packageRoot, 'rootfs')
const PATIENCE_MS = 10_000
const HANG_MS = 120_000

export interface AgentUnderTest {
  readonly pid: number
  /** A connection, as the host would make it. */
  connect(): Promise<Socket>
  transport(): Promise<AgentTransport>
  /** What it said on its standard error. */
  said(): string
}

export const buildAgent = () =>
  execFileSync('make', ['-s', '-C', ROOTFS, 'build/agent-checked'], { stdio: ['ignore', 'inherit', 'inherit'] })

/** The transport that a VM has by vsock, over a socket of this host. */
export function socketTransport(socket: Socket): AgentTransport {
  return {
    send: (bytes) => void socket.write(bytes),
    onData: (listener) => void socket.on('data', listener),
    onClosed(listener) {
      let reason: Error | undefined
      socket.once('error', (error) => {
        reason = error
      })
      socket.once('close', () => listener(reason))
    },
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  }
}

/** Ends it afterwards; it must not have died by itself, and a sanitizer must not have said anything. */
export async function withAgent(
  t: ExecutionContext,
  run: (agent: AgentUnderTest) => Promise<void>,
  program = join(ROOTFS, 'build/agent-checked'),
): Promise<void> {
  t.timeout(HANG_MS, 'the agent, or its host, waits in vain')
  const directory = mkdtempSync(join(tmpdir(), 'agent-test-'))
  const path = join(directory, 'socket')
  const process = spawn(program, ['--socket', path], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  let said = ''
  process.stderr.setEncoding('utf8').on('data', (part) => {
    said += part
  })
  const sockets: Socket[] = []
  const connectTo = async () => {
    const socket = await patiently(path, process)
    sockets.push(socket)
    return socket
  }
  try {
    await run({
      pid: process.pid!,
      connect: connectTo,
      transport: async () => socketTransport(await connectTo()),
      said: () => said,
    })
    t.is(process.exitCode, null, said)
    t.is(process.signalCode, null, said)
    t.notRegex(said, /Sanitizer|runtime error/)
  } finally {
    for (const socket of sockets) socket.destroy()
    const ended = process.exitCode === null && process.signalCode === null ? once(process, 'exit') : undefined
    killChildren(process.pid!)
    process.kill('SIGKILL')
    await ended
    rmSync(directory, { recursive: true, force: true })
  }
}

async function patiently(path: string, process: ChildProcess): Promise<Socket> {
  for (const deadline = Date.now() + PATIENCE_MS; ; await sleep(10)) {
    const socket = connect(path)
    try {
      await once(socket, 'connect')
      return socket
    } catch (error) {
      if (Date.now() > deadline || process.exitCode !== null) throw error
    }
  }
}

/** What it started leads groups of its own. */
function killChildren(pid: number): void {
  for (const child of childrenOf(pid)) {
    killChildren(child)
    try {
      process.kill(child, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** proc(5): those of its first thread, and it has no other. */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}
