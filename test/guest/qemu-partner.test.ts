/**
 * The guest kernel's drivers with devices that are not ours: QEMU's. A disk, read and written; frames, each of which the
 * test sees on the wire, a datagram socket, and answers itself. virtio 1.2 §5.1, §5.2
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { planCpio } from '../../src/image/cpio.ts'
import { rootTree } from '../../src/image/root-tree.ts'
import { unikernelPath } from '../../src/paths.ts'
import { ARP, arpFrame, echoFrame, type Frame, ICMP, type Party, parseFrame } from '../helpers/frames.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'

const QEMU = 'qemu-system-x86_64'
// The line of the guest contract; docs/benchmarks.md says what each part is for.
const MACHINE = `-M microvm,acpi=off,auto-kernel-cmdline=on,isa-serial=on -global virtio-mmio.force-legacy=false
  -accel kvm -cpu host,-arch-capabilities -m 128 -nodefaults -no-user-config -nographic -serial stdio -no-reboot
  -device isa-debug-exit,iobase=0xf4,iosize=1 -device virtio-rng-device`.split(/\s+/)
/** What the exit port makes of status 0: (0 << 1) | 1. */
const GOOD = 1
const BUSYBOX = '/bin/busybox'
const LIMIT_MS = 60_000

const lacking = () => {
  if (spawnSync(QEMU, ['--version']).status !== 0) return `${QEMU} is not installed`
  return existsSync(BUSYBOX) ? undefined : `there is no ${BUSYBOX}`
}
const reason = lacking()

const qemuTest = (title: string, run: (t: ExecutionContext, directory: string) => Promise<void> | void): void => {
  if (reason !== undefined) {
    test.skip(`${title} (skipped: ${reason})`, () => {})
    return
  }
  kvmTestSerial(title, async (t) => {
    t.timeout(2 * LIMIT_MS)
    const directory = mkdtempSync(join(tmpdir(), 'cloister-partner-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    await run(t, directory)
  })
}

const bootLine = (directory: string, append: string, command: string): string[] => {
  const archive = planCpio(rootTree({ kind: 'program', hostPath: BUSYBOX, path: BUSYBOX }))
  const bytes = new Uint8Array(archive.size)
  archive.write(bytes)
  const initrd = join(directory, 'root.cpio')
  writeFileSync(initrd, bytes)
  return [...MACHINE, '-kernel', unikernelPath, '-initrd', initrd, '-append', `${append} -- ${BUSYBOX} ${command}`]
}

// --- a disk ---

const withDisk = (t: ExecutionContext, directory: string, image: string, command: string): string => {
  const disk = ['-drive', `if=none,id=disk,format=raw,file=${image}`, '-device', 'virtio-blk-device,drive=disk']
  const { status, stdout } = spawnSync(QEMU, [...bootLine(directory, '', command), ...disk], {
    encoding: 'utf8',
    timeout: LIMIT_MS,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.is(status, GOOD, stdout)
  return stdout
}

qemuTest("every byte of QEMU's disk arrives, wherever and however much the program reads", (t, directory) => {
  const image = join(directory, 'disk.img')
  const bytes = randomBytes(8 * 2 ** 20 + 512)
  writeFileSync(image, bytes)
  const digest = createHash('sha256').update(bytes).digest('hex')
  t.true(withDisk(t, directory, image, 'sha256sum /dev/vda').includes(digest))
  const hex = withDisk(t, directory, image, 'xxd -p -s 70001 -l 3000 /dev/vda').replace(/\s/g, '')
  t.is(hex, bytes.subarray(70_001, 73_001).toString('hex'))
})

for (const [options, offset] of [
  ['bs=1M conv=fsync', 0],
  ['conv=fsync', 0],
  ['bs=1000 seek=333 conv=fsync', 333_000],
] as const) {
  qemuTest(
    `what the program writes to QEMU's disk is on it, and nothing else changed (dd ${options})`,
    (t, directory) => {
      const image = join(directory, 'disk.img')
      const expected = randomBytes(4 * 2 ** 20)
      writeFileSync(image, expected)
      withDisk(t, directory, image, `dd if=${BUSYBOX} of=/dev/vda ${options}`)
      readFileSync(BUSYBOX).copy(expected, offset)
      t.true(readFileSync(image).equals(expected))
    },
  )
}

// --- a wire ---

const GUEST = { address: '10.77.0.2', mac: Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56) }
const HERE = { address: '10.77.0.1', mac: Uint8Array.of(2, 0, 0, 0, 0, 9) }
const NOBODY = { address: GUEST.address, mac: new Uint8Array(6) }

interface Wire {
  readonly qemu: ChildProcess
  readonly frames: Frame[]
  readonly output: () => string
  send(frame: Buffer): void
  /** The next frame of the guest for which this holds. */
  until<T extends Frame>(wanted: (frame: Frame) => frame is T): Promise<T>
}

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

/** A guest whose only neighbour is this test; `answer` says what comes back to each frame at once. */
async function onWire(
  t: ExecutionContext,
  directory: string,
  command: string,
  answer: (frame: Frame) => Buffer | undefined = () => undefined,
): Promise<Wire> {
  const [socket, reserved] = [await bound(), await bound()]
  const theirs = reserved.address().port
  reserved.close()
  const wire = `local.type=inet,local.host=127.0.0.1,local.port=${theirs},remote.type=inet,remote.host=127.0.0.1,remote.port=${socket.address().port}`
  const device = ['-netdev', `dgram,id=wire,${wire}`, '-device', 'virtio-net-device,netdev=wire,mac=52:54:00:12:34:56']
  const boot = bootLine(directory, `ip=${GUEST.address}::${HERE.address}:255.255.255.0:guest:eth0:off`, command)
  const qemu = spawn(QEMU, [...boot, ...device], { stdio: ['ignore', 'pipe', 'ignore'] })
  const chunks: Buffer[] = []
  qemu.stdout!.on('data', (chunk: Buffer) => chunks.push(chunk))
  const frames: Frame[] = []
  const waiters = new Set<() => void>()
  const send = (frame: Buffer) => socket.send(frame, theirs, '127.0.0.1')
  socket.on('message', (bytes) => {
    const frame = parseFrame(bytes)
    frames.push(frame)
    const reply = answer(frame)
    if (reply) send(reply)
    for (const waiter of waiters) waiter()
  })
  const limit = setTimeout(() => qemu.kill('SIGKILL'), LIMIT_MS)
  t.teardown(async () => {
    clearTimeout(limit)
    if (qemu.exitCode === null && qemu.signalCode === null) {
      qemu.kill('SIGKILL')
      await once(qemu, 'exit')
    }
    socket.close()
  })
  return {
    qemu,
    frames,
    output: () => Buffer.concat(chunks).toString(),
    send,
    until: <T extends Frame>(wanted: (frame: Frame) => frame is T) =>
      new Promise<T>((resolve, reject) => {
        let seen = frames.length
        const look = () => {
          const found = frames.slice(seen).find(wanted)
          seen = frames.length
          if (!found) return
          waiters.delete(look)
          resolve(found)
        }
        waiters.add(look)
        qemu.once('exit', () => reject(new Error('QEMU ended before that frame came')))
      }),
  }
}

const isArp = (frame: Frame) => frame.kind === 'arp'
const isEcho = (frame: Frame) => frame.kind === 'echo'

/** A neighbour as any other: says where it is, and answers echo requests. */
const neighbour = (frame: Frame): Buffer | undefined => {
  if (frame.kind === 'arp' && frame.operation === ARP.request && frame.target.address === HERE.address)
    return arpFrame(ARP.reply, HERE, frame.sender)
  if (frame.kind === 'echo' && frame.type === ICMP.echo)
    return echoFrame(ICMP.echoReply, HERE, frame.from, frame.id, frame.sequence, frame.data)
  return undefined
}

qemuTest('busybox ping, unmodified, finds a neighbour by ARP and gets its answers', async (t, directory) => {
  const { qemu, frames, output } = await onWire(t, directory, `ping -c 3 -i 0.2 ${HERE.address}`, neighbour)
  const [status] = (await once(qemu, 'exit')) as [number | null]
  t.is(status, GOOD, output())
  t.regex(output(), /3 packets transmitted, 3 packets received, 0% packet loss/)
  const echoes = frames.filter(isEcho)
  t.is(echoes.length, 3)
  for (const [index, echo] of echoes.entries()) {
    if (echo.kind !== 'echo') continue
    t.true(echo.sound)
    t.is(echo.sequence, index)
    t.deepEqual({ ...echo.from, mac: Uint8Array.from(echo.from.mac) }, GUEST)
  }
  t.is(frames.filter(isArp).length, 1)
})

for (const [what, command] of [
  ['sleeps', 'sleep 100'],
  ['computes', 'sha256sum /dev/zero'],
] as const) {
  qemuTest(`the machine answers ARP and echo requests while its program ${what}`, async (t, directory) => {
    const wire = await onWire(t, directory, command)
    const asking = setInterval(() => wire.send(arpFrame(ARP.request, HERE, NOBODY)), 50) // until it is up
    t.teardown(() => clearInterval(asking))
    const told = await wire.until((frame): frame is Extract<Frame, { kind: 'arp' }> => frame.kind === 'arp')
    clearInterval(asking)
    t.is(told.operation, ARP.reply)
    t.deepEqual(party(told.sender), GUEST)
    for (const [sequence, length] of [0, 1, 56, 1472].entries()) {
      const data = randomBytes(length)
      const reply = wire.until((frame): frame is Extract<Frame, { kind: 'echo' }> => frame.kind === 'echo')
      wire.send(echoFrame(ICMP.echo, HERE, GUEST, 77, sequence, data))
      const { type, sound, id, ...rest } = await reply
      t.deepEqual({ type, sound, id }, { type: ICMP.echoReply, sound: true, id: 77 })
      t.is(rest.sequence, sequence)
      t.true(rest.data.equals(data))
    }
  })
}

function party({ mac, address }: Party): Party {
  return { address, mac: Uint8Array.from(mac) }
}
