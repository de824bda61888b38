/**
 * A wire for `bench net`: two taps of the host on a bridge that nothing else is on. The guest's network card is attached
 * to one of them, this process to the other. Interfaces are for root to make, and none outlives the benchmark.
 */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { TUN_PATH } from '../../kvm-bindings/tap.ts'
import { Reactor } from '../backends/reactor.ts'
import { attachTap, type Tap } from '../backends/tap.ts'
import { IoVector } from '../memory/io-vector.ts'
import { ContenderRefused } from './contender.ts'
import { findProgram } from './find-program.ts'
import type { WireEnd } from './net-partner.ts'

/** virtio_net_hdr_v1, in front of every frame of a tap of ours; all zero where nothing is left undone. */
const HEADER = new Uint8Array(12)
const FRAME_MAX = 2048
/** Frames a tap keeps for a slow reader: many, so that a sender may rest for a moment without starving him. */
const QUEUE_FRAMES = 4000
const FORWARDING = '3'
const FORWARDING_MS = 20
const FORWARDING_TRIES = 500

export class Wire implements WireEnd {
  /** The tap for the guest. */
  readonly guest: string
  readonly #bridge: string
  readonly #own: string
  readonly #ip: string
  readonly #reactor: Reactor
  readonly #made: string[] = []
  readonly #vector = new IoVector()
  readonly #buffer = new Uint8Array(HEADER.length + FRAME_MAX)
  #tap: Tap | undefined
  #onFrame: ((frame: Uint8Array) => void) | undefined

  /** @throws ContenderRefused where taps cannot be made */
  constructor() {
    this.#ip = requireTaps()
    const [bridge, own, guest] = ['b', 'o', 'g'].map((part) => `clb${process.pid.toString(36)}${part}`)
    this.#bridge = bridge!
    this.#own = own!
    this.guest = guest!
    this.#vector.pack([this.#buffer])
    this.#reactor = new Reactor((error) => {
      throw error
    })
    try {
      this.#make()
      this.#tap = attachTap(this.#own, this.#reactor)
    } catch (error) {
      this.#remove()
      void this.#reactor.close()
      throw new ContenderRefused(`no wire for it could be made: ${(error as Error).message.trim()}`)
    }
    this.#tap.listen({ readable: () => this.#read(), writable: () => {}, linkChanged: () => {} })
    this.#reactor.start()
  }

  #make(): void {
    this.#do(`link add ${this.#bridge} type bridge`)
    this.#made.push(this.#bridge)
    for (const tap of [this.#own, this.guest]) {
      this.#do(`tuntap add ${tap} mode tap vnet_hdr`)
      this.#made.push(tap)
      this.#do(`link set ${tap} master ${this.#bridge} txqueuelen ${QUEUE_FRAMES}`)
    }
    for (const name of [this.#bridge, this.#own, this.guest]) {
      silenceIpv6(name)
      this.#do(`link set ${name} up`)
    }
  }

  listen(onFrame: ((frame: Uint8Array) => void) | undefined): void {
    this.#onFrame = undefined
    this.#read()
    this.#onFrame = onFrame
    this.#tap!.awaitFrames(onFrame !== undefined)
  }

  send(frame: Uint8Array): void {
    this.#tap!.send(HEADER, [frame], 0)
  }

  /** A bridge forwards from the moment on that it has noticed a port's carrier: some time after a VM has attached. */
  async untilForwarding(abort: AbortSignal): Promise<void> {
    for (let tries = 0; tries < FORWARDING_TRIES; tries++) {
      const states = [this.#own, this.guest].map((name) => readFileSync(`/sys/class/net/${name}/brport/state`, 'utf8'))
      if (states.every((state) => state.trim() === FORWARDING)) return
      await sleep(FORWARDING_MS, undefined, { signal: abort })
    }
    throw new ContenderRefused('the bridge between the taps does not forward')
  }

  counts(): { readonly arrived: number; readonly overflowed: number } {
    const count = (name: string) => Number(readFileSync(`/sys/class/net/${this.guest}/statistics/${name}`, 'utf8'))
    return { arrived: count('rx_packets'), overflowed: count('tx_dropped') }
  }

  async close(): Promise<void> {
    this.#tap?.close()
    this.#remove()
    await this.#reactor.close()
  }

  #do(line: string): void {
    execFileSync(this.#ip, line.split(' '), { stdio: 'pipe' })
  }

  #remove(): void {
    for (const name of this.#made.splice(0)) {
      try {
        this.#do(`link del ${name}`)
      } catch {
        // Somebody else removed it.
      }
    }
  }

  #read(): void {
    for (let got = this.#tap!.receive(this.#vector); got > 0; got = this.#tap!.receive(this.#vector))
      this.#onFrame?.(this.#buffer.subarray(HEADER.length, got))
  }
}

/** @returns the path of `ip` @throws ContenderRefused */
function requireTaps(): string {
  if (process.geteuid?.() !== 0) throw new ContenderRefused('it needs taps, which are for root to make')
  try {
    accessSync(TUN_PATH, constants.R_OK | constants.W_OK)
  } catch {
    throw new ContenderRefused(`it needs taps, and there is no ${TUN_PATH} here`)
  }
  return findProgram('ip', 'apt-get install iproute2')
}

/** It announces itself unasked. */
function silenceIpv6(name: string): void {
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '1')
  } catch {
    // A host without IPv6 needs none of it.
  }
}
