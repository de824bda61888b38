/**
 * A microVM whose program (test/linux/guest/exercise) uses its devices as loads do, and what it meets on the host: who
 * repeats what it says, who serves iperf3, who asks it for memory.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { basename, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { type Cli, commandLine } from './cli.ts'
import { temporaryDirectory } from './containers.ts'
import { linuxRoot } from './linux-root.ts'
import { makeTap } from './taps.ts'

const ECHO_VSOCK_PORT = 5000
const HANG_MS = 12 * 60_000

export type ExercisedDevice = 'disk' | 'net' | 'vsock' | 'balloon' | 'rng'

export interface Exercise {
  readonly devices: readonly ExercisedDevice[]
  readonly diskBytes: number
  /** Requests to the disk at each depth. */
  readonly rounds: number
  readonly streamBytes: number
  readonly memoryMib: number
  readonly cpus?: number
  /** fio and iperf3 of this host, with their libraries. */
  readonly loads?: readonly string[]
  /** Further options of `run`. */
  readonly options?: readonly string[]
}

/** Sends back whatever a caller says. */
const repeater = () =>
  createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {})
    socket.pipe(socket)
  })

interface Network {
  readonly tap: string
  readonly settings: readonly string[]
}

async function openNetwork(t: ExecutionContext, withIperf: boolean): Promise<Network> {
  const tap = makeTap()
  t.teardown(() => tap.remove())
  const echo = repeater().listen(0, tap.hostAddress)
  await once(echo, 'listening')
  t.teardown(() => void echo.close())
  const settings = [
    `outside=${tap.hostAddress}`,
    `inside=${tap.guestAddress}`,
    `echo_port=${(echo.address() as AddressInfo).port}`,
  ]
  if (!withIperf) return { tap: tap.name, settings }
  const port = 5201
  const iperf: ChildProcess = spawn('iperf3', ['-s', '-B', tap.hostAddress, '-p', String(port)], { stdio: 'ignore' })
  t.teardown(() => void iperf.kill('SIGKILL'))
  return { tap: tap.name, settings: [...settings, `iperf_port=${port}`] }
}

/** Bytes to a port of the guest, and the same number back. @returns whether they were the same */
async function callGuest(path: string, port: number, bytes: number): Promise<boolean> {
  const socket = await connectGuest(path, port)
  const said = Buffer.alloc(bytes, createHash('sha256').update(String(bytes)).digest())
  socket.write(said)
  const heard: Buffer[] = []
  socket.on('data', (chunk: Buffer) => heard.push(chunk))
  await once(socket, 'end')
  socket.end()
  return Buffer.concat(heard).equals(said)
}

const RETRY_MS = 500

/** Past the greeting, `OK <port>`. A program that is about to listen refuses at first. */
async function connectGuest(path: string, port: number): Promise<Socket> {
  for (;;) {
    const socket = connect(path)
    socket.on('error', () => {})
    socket.write(`CONNECT ${port}\n`)
    const greeting = await Promise.race([
      once(socket, 'data').then(([chunk]) => String(chunk)),
      once(socket, 'close').then(() => ''),
    ])
    if (greeting.startsWith('OK ')) return socket
    await new Promise((later) => setTimeout(later, RETRY_MS))
  }
}

/** Runs it, and asserts that everything passed and that the host sees the disk as the guest does. */
export async function exercise(t: ExecutionContext, asked: Exercise): Promise<void> {
  const { devices, diskBytes, rounds, streamBytes, memoryMib, cpus = 1, loads = [], options = [] } = asked
  const cli = commandLine(t)
  const uses = (device: ExercisedDevice) => devices.includes(device)
  const disk = join(temporaryDirectory(t), 'disk')
  writeFileSync(disk, '')
  truncateSync(disk, diskBytes)
  const has = (program: string) => loads.some((load) => basename(load) === program)
  const network = uses('net') ? await openNetwork(t, has('iperf3')) : undefined
  const settings = [
    ...[`disk_bytes=${diskBytes}`, `rounds=${rounds}`, `stream_bytes=${streamBytes}`, ...(network?.settings ?? [])],
    ...(has('fio') ? ['fio=yes'] : []),
  ]
  const name = 'exercise'
  const { child, result } = cli.start(
    [
      ...['run', '--isolation', 'microvm', '--name', name, '--memory', `${memoryMib}M`, '--cpus', String(cpus)],
      ...['--disk', disk, ...(network ? ['--net', `tap:${network.tap}`] : []), ...options],
      ...[...settings.flatMap((setting) => ['-e', setting]), '--rootfs', linuxRoot(t, loads), '/exercise', ...devices],
    ],
    { hangMs: HANG_MS },
  )
  const guest = { lines: [] as string[], errands: [] as Promise<void>[] }
  const vsock = join(cli.root, 'run/instances', name, 'vsock.sock')
  const errand = errands(t, cli, { name, memoryMib, vsock, streamBytes })
  let rest = ''
  child.stdout!.on('data', (text: string) => {
    const parts = (rest + text).split(/\r?\n/)
    rest = parts.pop()!
    guest.lines.push(...parts)
    for (const line of parts) {
      if (line.startsWith('READY ')) guest.errands.push(errand(line.slice('READY '.length)))
    }
  })
  if (uses('vsock')) {
    while (!existsSync(vsock) && child.exitCode === null) await new Promise((later) => setTimeout(later, 50))
    const server = repeater().listen(`${vsock}_${ECHO_VSOCK_PORT}`)
    t.teardown(() => void server.close())
  }
  const { status, stderr } = await result
  await Promise.all(guest.errands)
  const failed = guest.lines.filter((line) => line.startsWith('FAIL '))
  if (failed.length > 0 || !guest.lines.includes('END')) t.log([...guest.lines.slice(-40), stderr].join('\n'))
  t.deepEqual(failed, [])
  t.true(guest.lines.includes('END'))
  t.is(status, 0, stderr)
  const passed = guest.lines.filter((line) => line.startsWith('PASS '))
  t.true(passed.length >= devices.length)
  if (uses('disk')) {
    t.true(guest.lines.includes(`DIGEST ${createHash('sha256').update(readFileSync(disk)).digest('hex')}`))
  }
  for (const line of passed) t.log(line)
}

interface Partner {
  readonly name: string
  readonly memoryMib: number
  readonly vsock: string
  readonly streamBytes: number
}

const TAKEN_MIB = 32

function errands(t: ExecutionContext, cli: Cli, { name, memoryMib, vsock, streamBytes }: Partner) {
  const update = async (mib: number) => {
    const { status, stderr } = await cli(['update', '--memory', `${mib}M`, name])
    t.is(status, 0, stderr)
  }
  return async (what: string): Promise<void> => {
    if (what === 'balloon') return update(memoryMib - TAKEN_MIB)
    if (what === 'balloon again') return update(memoryMib)
    t.is(what, 'vsock 5001')
    t.true(await callGuest(vsock, 5001, streamBytes), 'the guest repeats what it is told')
  }
}
