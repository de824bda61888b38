/**
 * Frames through a tap into a guest and back: this process sends ICMP echo requests from a tap of its own on the same
 * bridge, so many under way at a time, and counts what comes back. The same guest kernel answers behind Cloister's
 * network card and behind QEMU's, both with the same program asleep in it. Needs root, iproute2 and QEMU.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join as joinPath } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Reactor } from '../src/backends/reactor.ts'
import { attachTap, type Tap } from '../src/backends/tap.ts'
import { print } from '../src/cli/terminal.ts'
import { planCpio } from '../src/image/cpio.ts'
import { rootTree } from '../src/image/root-tree.ts'
import { IoVector } from '../src/memory/io-vector.ts'
import { unikernelPath } from '../src/paths.ts'
import { whyNoTaps } from '../test/helpers/taps.ts'
import { whyNoKvm } from '../test/helpers/why-no-kvm.ts'
import { printReport, rounds, takeTurns } from './report.ts'

const PROGRAM = '/bin/busybox'
const ECHOES = 2000
const HEADER = 12
const OUR_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0x77)
const OUR_ADDRESS = [198, 18, 251, 1]
const address = (guest: number) => [198, 18, 251, 2 + guest]

const ip = (line: string) => void execFileSync('ip', line.split(' '), { stdio: 'pipe' })
const name = (part: string) => `clb${process.pid.toString(36)}${part}`

const u16 = (value: number) => [value >> 8, value & 0xff]
const internetChecksum = (bytes: readonly number[]): number => {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  return ~sum & 0xffff
}
const withChecksum = (bytes: readonly number[], at: number): number[] => {
  const sum = u16(internetChecksum(bytes))
  return [...bytes.slice(0, at), ...sum, ...bytes.slice(at + 2)]
}

const arp = (kind: 1 | 2, to: Iterable<number>, target: Iterable<number>, targetMac: Iterable<number>) =>
  Uint8Array.of(
    ...[...new Array(HEADER).fill(0), ...to, ...OUR_MAC, 8, 6, 0, 1, 8, 0, 6, 4, 0, kind],
    ...[...OUR_MAC, ...OUR_ADDRESS, ...targetMac, ...target],
  )

/** An echo request in a frame of `bytes`, without our header. RFC 792 */
const echoRequest = (mac: Uint8Array, guest: number, bytes: number): Uint8Array => {
  const icmp = withChecksum([8, 0, 0, 0, 0, 1, 0, 1, ...new Array(bytes - 42).fill(0x5a)], 2)
  const header = [0x45, 0, ...u16(20 + icmp.length), 0, 1, 0, 0, 64, 1, 0, 0, ...OUR_ADDRESS, ...address(guest)]
  return Uint8Array.of(...new Array(HEADER).fill(0), ...mac, ...OUR_MAC, 8, 0, ...withChecksum(header, 10), ...icmp)
}

/** The bench's place on the bridge. */
class Peer {
  readonly #tap: Tap
  readonly #vector = new IoVector()
  readonly #buffer = new Uint8Array(2048)
  /** Where guests are, by the last byte of their address. */
  readonly macs = new Map<number, Uint8Array>()
  #onEcho = () => {}

  constructor(tap: Tap) {
    this.#tap = tap
    this.#vector.pack([this.#buffer])
    tap.listen({ readable: () => this.#read(), writable: () => {}, linkChanged: () => {} })
    tap.awaitFrames(true)
  }

  send(bytes: Uint8Array): void {
    this.#tap.send(bytes, [], 0)
  }

  async find(guest: number): Promise<Uint8Array> {
    for (let tries = 0; tries < 100; tries++) {
      const mac = this.macs.get(address(guest)[3]!)
      if (mac) return mac
      this.send(arp(1, new Array(6).fill(0xff), address(guest), new Array(6).fill(0)))
      await sleep(100)
    }
    throw new Error(`guest ${guest} does not answer`)
  }

  /** @returns nanoseconds an echo */
  async echoes(request: Uint8Array, underWay: number): Promise<number> {
    const begun = process.hrtime.bigint()
    let asked = underWay
    let answered = 0
    await new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${answered} of ${ECHOES} echoes came`)), 10_000)
      this.#onEcho = () => {
        answered++
        if (asked < ECHOES) {
          asked++
          this.send(request)
        } else if (answered === ECHOES) {
          clearTimeout(late)
          resolve()
        }
      }
      for (let index = 0; index < underWay; index++) this.send(request)
    })
    this.#onEcho = () => {}
    return Number(process.hrtime.bigint() - begun) / ECHOES
  }

  #read(): void {
    for (let got = this.#tap.receive(this.#vector); got > 0; got = this.#tap.receive(this.#vector)) {
      const frame = this.#buffer.subarray(HEADER, got)
      const type = (frame[12]! << 8) | frame[13]!
      if (type === 0x0806) this.#arp(frame)
      else if (type === 0x0800 && frame[23] === 1 && frame[34] === 0) this.#onEcho()
    }
  }

  #arp(frame: Uint8Array): void {
    const [mac, from, asked] = [frame.slice(22, 28), frame.slice(28, 32), frame.subarray(38, 42)]
    this.macs.set(from[3]!, mac)
    if (frame[21] === 1 && asked.every((byte, at) => byte === OUR_ADDRESS[at])) this.send(arp(2, mac, from, mac))
  }
}

const settings = (guest: number) => `ip=${address(guest).join('.')}::${OUR_ADDRESS.join('.')}:255.255.255.0:u:eth0:off`

const cloister = (tap: string, guest: number): [string, string[]] => [
  'bin/cloister',
  [
    ...['run', '--isolation', 'unikernel', '--net', `tap:${tap}`, '--append', settings(guest)],
    ...[PROGRAM, 'sleep', '1000'],
  ],
]

const qemu = (tap: string, guest: number, initrd: string): [string, string[]] => [
  'qemu-system-x86_64',
  [
    ...['-M', 'microvm,acpi=off,auto-kernel-cmdline=on,isa-serial=on', '-global', 'virtio-mmio.force-legacy=false'],
    ...[
      '-accel',
      'kvm',
      '-cpu',
      'host,-arch-capabilities',
      '-m',
      '128',
      '-nodefaults',
      '-no-user-config',
      '-nographic',
    ],
    ...['-serial', 'stdio', '-no-reboot', '-kernel', unikernelPath, '-initrd', initrd],
    ...['-netdev', `tap,id=n,ifname=${tap},script=no,downscript=no`, '-device', 'virtio-net-device,netdev=n'],
    ...['-append', `${settings(guest)} -- ${PROGRAM} sleep 1000`],
  ],
]

async function main(): Promise<void> {
  const scratch = mkdtempSync(joinPath(tmpdir(), 'cloister-bench-'))
  const reactor = new Reactor((error) => {
    throw error
  })
  const [bridge, own, ...taps] = [name('b'), name('o'), name('0'), name('1')]
  const guests: ChildProcess[] = []
  let peer: Tap | undefined
  try {
    for (const line of [`link add ${bridge} type bridge`, `link set ${bridge} up`]) ip(line)
    for (const tap of [own, ...taps])
      for (const line of [
        `tuntap add ${tap} mode tap vnet_hdr`,
        `link set ${tap} master ${bridge}`,
        `link set ${tap} up`,
      ])
        ip(line)
    const archive = planCpio(rootTree({ kind: 'program', hostPath: PROGRAM, path: PROGRAM }))
    const bytes = new Uint8Array(archive.size)
    archive.write(bytes)
    const initrd = joinPath(scratch, 'root.cpio')
    writeFileSync(initrd, bytes)
    for (const [file, args] of [cloister(taps[0]!, 0), qemu(taps[1]!, 1, initrd)])
      guests.push(
        spawn(file, args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, CLOISTER_ROOT: scratch } }),
      )
    peer = attachTap(own!, reactor)
    reactor.start()
    while (readFileSync(`/sys/class/net/${own}/brport/state`, 'utf8').trim() !== '3') await sleep(20)
    const us = new Peer(peer)
    const macs = [await us.find(0), await us.find(1)]
    const load = (guest: number, size: number, underWay: number) => {
      const request = echoRequest(macs[guest]!, guest, size)
      return () => us.echoes(request, underWay)
    }
    for (const [title, size, underWay] of [
      ['one echo of 60 bytes at a time', 60, 1],
      ['16 echoes of 60 bytes under way', 60, 16],
      ['16 echoes of 1,500 bytes under way', 1500, 16],
    ] as const) {
      const candidates = await takeTurns(
        [
          { name: 'QEMU', measure: load(1, size, underWay) },
          { name: 'Cloister', measure: load(0, size, underWay) },
        ],
        { runs: rounds(10), warmups: 2 },
      )
      printReport({ title, unit: 'ns an echo', peer: 'QEMU', candidates })
    }
  } finally {
    for (const guest of guests) guest.kill('SIGTERM')
    await Promise.all(guests.map((guest) => guest.exitCode ?? new Promise((resolve) => guest.once('exit', resolve))))
    peer?.close()
    await reactor.close()
    for (const link of [own, ...taps, bridge])
      try {
        ip(`link del ${link}`)
      } catch {
        // Never made.
      }
    rmSync(scratch, { recursive: true, force: true })
  }
}

const whyNoGuests = (): string | undefined => {
  if (whyNoKvm !== undefined) return `no KVM here: ${whyNoKvm}`
  const { error } = spawnSync('qemu-system-x86_64', ['-version'], { stdio: 'ignore' })
  return error && 'there is no qemu-system-x86_64'
}

const reason = whyNoTaps() ?? whyNoGuests()
if (reason === undefined) await main()
else print(`Not measured: ${reason}.`)
