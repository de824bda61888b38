/**
 * Debian's stock kernel, unmodified, as a guest: it finds our devices by ACPI with its own drivers and moves data through
 * each, and somebody on the host sees the other end of it. test/linux/guest/init says what it did.
 */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { createBufferSource } from '../../src/backends/buffer-stream.ts'
import { createReclaimer } from '../../src/backends/memory-reclaimer.ts'
import { hostRandom } from '../../src/backends/random-source.ts'
import { Reactor } from '../../src/backends/reactor.ts'
import type { ByteSink } from '../../src/backends/streams.ts'
import { virtioBalloon } from '../../src/devices/virtio-balloon.ts'
import { virtioConsole } from '../../src/devices/virtio-console.ts'
import { virtioRng } from '../../src/devices/virtio-rng.ts'
import { createMachine } from '../../src/machine/machine.ts'
import { MIB } from '../../src/memory/memory-map.ts'
import { commandLine } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { buildInitramfs, stockKernelTest } from '../helpers/stock-kernel.ts'

const MEMORY = 256 * MIB
const LESS_MEMORY = 192 * MIB
const DISK_BYTES = MIB
/** Where init writes on the disk (test/linux/guest/init). */
const WRITTEN = { at: 4 * 65_536, bytes: 262_144 }
const STREAM_BYTES = 524_288
const OUTSIDE = '10.98.0.1'
const TYPED = 'typed outside\n'
/** No kernel messages between init's lines; and a tick all the time, by which the lab's lost wake-ups are found again (docs/svm-lab.md). */
const APPEND = 'loglevel=0 nohz=off'

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

/** What the guest said, line by line, whatever else its kernel prints there. */
function listen(onReady: (what: string) => void) {
  const lines: string[] = []
  let rest = ''
  return {
    lines,
    hear(bytes: Uint8Array) {
      const parts = (rest + Buffer.from(bytes).toString('latin1')).split(/\r?\n/)
      rest = parts.pop()!
      for (const line of parts) {
        lines.push(line)
        if (line.startsWith('READY ')) onReady(line.slice('READY '.length))
      }
    },
    passed: () => lines.filter((line) => line.startsWith('PASS ')).map((line) => line.slice('PASS '.length)),
  }
}

function checkVerdict(t: ExecutionContext, lines: readonly string[], passed: readonly string[], expected: string[]) {
  const failed = lines.filter((line) => line.startsWith('FAIL '))
  if (failed.length > 0 || !lines.includes('END')) t.log(lines.slice(-40).join('\n'))
  t.deepEqual(failed, [])
  t.deepEqual(passed, expected)
  t.true(lines.includes('END'))
}

/** A tap with the host's address, and on it a server that sends back what it was sent. */
async function openNetwork(t: ExecutionContext): Promise<{ tap: string; port: number }> {
  const tap = `clt${process.pid}`
  const ip = (...words: string[]) => execFileSync('ip', words, { stdio: 'pipe' })
  ip('tuntap', 'add', 'dev', tap, 'mode', 'tap')
  t.teardown(() => void ip('link', 'del', tap))
  ip('addr', 'add', `${OUTSIDE}/24`, 'dev', tap)
  ip('link', 'set', tap, 'up')
  const server = createServer((socket) => {
    const received: Buffer[] = []
    let size = 0
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      received.push(chunk)
      size += chunk.length
      if (size === STREAM_BYTES) socket.end(Buffer.concat(received))
    })
  })
  server.listen(0, OUTSIDE)
  await once(server, 'listening')
  t.teardown(() => void server.close())
  return { tap, port: (server.address() as AddressInfo).port }
}

/** Answers in capitals who connects to port 1024 of the host. */
function answerVsock(t: ExecutionContext, path: string): void {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (line: Buffer) => socket.end(line.toString().toUpperCase()))
  })
  server.listen(`${path}_1024`)
  t.teardown(() => void server.close())
}

/** Says a line on a port of the guest. @returns what came back, the greeting first */
async function callVsock(path: string, port: number): Promise<string> {
  const socket: Socket = connect(path)
  socket.write(`CONNECT ${port}\nhello guest\n`)
  let answer = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text
  })
  await once(socket, 'end')
  socket.end()
  return answer
}

stockKernelTest('a stock kernel finds every device by ACPI and moves data through each', async (t, kernel) => {
  const cli = commandLine(t)
  const initramfs = buildInitramfs(t, kernel)
  const disk = join(temporaryDirectory(t), 'disk')
  const content = randomBytes(DISK_BYTES)
  writeFileSync(disk, content)
  const network = await openNetwork(t)

  const name = 'debian'
  const instance = join(cli.root, 'run/instances', name)
  const vsock = join(instance, 'vsock.sock')
  const errands: Promise<void>[] = []
  const greetings: string[] = []
  const errand = (what: string): Promise<void> | undefined => {
    const update = async (bytes: number) => {
      const { status, stderr } = await cli(['update', '--memory', `${bytes / MIB}M`, name])
      t.is(status, 0, stderr)
    }
    if (what === 'balloon') return update(LESS_MEMORY)
    if (what === 'balloon again') return update(MEMORY)
    if (what === 'vsock 2048') return callVsock(vsock, 2048).then((answer) => void greetings.push(answer))
    if (what === 'serial') child.stdin!.write(TYPED)
    return undefined
  }
  const guest = listen((what) => {
    const started = errand(what)
    if (started) errands.push(started)
  })

  const { child, result } = cli.start(
    [
      ...['run', '-i', '--name', name, '--kernel', kernel.vmlinuz, '--initrd', initramfs],
      ...['--memory', `${MEMORY / MIB}M`, '--disk', disk, '--net', `tap:${network.tap}`],
      '--append',
      `${APPEND} cpus=1 disk_digest=${digest(content)} outside=${OUTSIDE} port=${network.port}`,
    ],
    { keepInput: true },
  )
  child.stdout!.on('data', (chunk: Buffer | string) => guest.hear(Buffer.from(chunk)))
  while (!existsSync(vsock) && child.exitCode === null) await new Promise((later) => setTimeout(later, 50))
  answerVsock(t, vsock)
  const { status, stderr } = await result
  await Promise.all(errands)

  checkVerdict(t, guest.lines, guest.passed(), [
    'ACPI lists every device, and each has a driver',
    'processors',
    'clock',
    'virtio_blk reads',
    'virtio_blk writes',
    'virtio_rng',
    'virtio_net frames',
    'virtio_net stream',
    'virtio_console writes',
    'vsock to the host',
    'vsock from the host',
    'virtio_balloon gives',
    'virtio_balloon takes back',
    'serial port receives',
  ])
  t.is(status, 0, stderr)
  const written = readFileSync(disk)
  t.true(guest.lines.includes(`DIGEST ${digest(written.subarray(WRITTEN.at, WRITTEN.at + WRITTEN.bytes))}`))
  t.deepEqual(written.subarray(0, WRITTEN.at), content.subarray(0, WRITTEN.at))
  t.true(guest.lines.includes('through the virtio console'))
  t.regex(greetings.join(), /^OK \d+\nhello guest\n$/)
})

stockKernelTest(
  'a stock kernel starts four processors, and a console port carries data both ways',
  async (t, kernel) => {
    const initramfs = readFileSync(buildInitramfs(t, kernel))
    const typed = createBufferSource()
    const reclaimer = createReclaimer()
    const balloon = virtioBalloon({ memoryBytes: MEMORY, reclaimer })
    const guest = listen((what) => {
      if (what === 'balloon') balloon.setTarget(LESS_MEMORY)
      if (what === 'balloon again') balloon.setTarget(MEMORY)
      if (what === 'serial') typed.push(Buffer.from(TYPED))
    })
    const sink = (take: (bytes: Uint8Array) => void): ByteSink => ({
      write(bytes) {
        take(bytes)
        return bytes.length
      },
      onDrain() {},
    })
    const back = createBufferSource()
    const echo = sink((bytes) => back.push(Buffer.from(Buffer.from(bytes).toString('latin1').toUpperCase())))
    const reactor = new Reactor((error) => t.fail(error.message))
    const machine = await createMachine({
      memoryBytes: MEMORY,
      kernel: kernel.vmlinuz,
      commandLine: `console=ttyS0 panic=-1 reboot=k pci=off ${APPEND} cpus=4`,
      modules: [{ name: 'initramfs', size: initramfs.length, write: (into) => into.set(initramfs) }],
      devices: [
        virtioConsole({
          ports: [
            { name: 'console', isConsole: true, sink: sink(guest.hear) },
            { name: 'echo', isConsole: false, sink: echo, source: back },
          ],
        }),
        virtioRng(hostRandom),
        balloon,
      ],
      serial: { sink: sink(guest.hear), source: typed },
      cpus: 4,
      acpi: true,
      pit: true,
      onRam: (ram) => reclaimer.bind(ram),
      reactor,
    })
    try {
      machine.start()
      const limit = setTimeout(() => machine.stop(), Number(process.env.CLOISTER_TEST_HANG_SECONDS ?? 60) * 1000)
      t.deepEqual(await machine.ended, { kind: 'reset' })
      clearTimeout(limit)
    } finally {
      await machine.close()
      await reactor.close()
      checkVerdict(t, guest.lines, guest.passed(), [
        'ACPI lists every device, and each has a driver',
        'processors',
        'clock',
        'virtio_rng',
        'virtio_console writes',
        'virtio_console both ways',
        'virtio_balloon gives',
        'virtio_balloon takes back',
        'serial port receives',
      ])
    }
  },
)
