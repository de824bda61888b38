/** The host's part in `bench net`, while a guest of guest-kernel/tests/net-load.c does its own. */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { ContenderRefused } from './contender.ts'
import { arpAnswer, arpRequest, ICMP_ECHO, ICMP_ECHO_REPLY, icmp, isEchoReply, silentFrame } from './frames.ts'

const SMALLEST = 60
const ARP_MS = 50
const ARP_TRIES = 200
/** Frames sent before looking whether the guest's queue is full, which takes as long as a few of them. */
const BURST = 128
const REST_MS = 1
const SILENCE_MS = 3000

/** Our end of a wire, wire.ts. */
export interface WireEnd {
  /** Frames that come from now on. While nobody listens they fill the tap's queue, which drops what is too much. */
  listen(onFrame: ((frame: Uint8Array) => void) | undefined): void
  send(frame: Uint8Array): void
  /** @throws ContenderRefused */
  untilForwarding(abort: AbortSignal): Promise<void>
  /** Frames that the host took from the guest, and frames for it that found its tap's queue full. */
  counts(): { readonly arrived: number; readonly overflowed: number }
}

export class NetPartner {
  readonly #wire: WireEnd
  readonly #abort: AbortSignal
  readonly #mac: Uint8Array

  private constructor(wire: WireEnd, mac: Uint8Array, abort: AbortSignal) {
    this.#wire = wire
    this.#mac = mac
    this.#abort = abort
  }

  /** Asks until the guest answers. */
  static async find(wire: WireEnd, abort: AbortSignal): Promise<NetPartner> {
    await wire.untilForwarding(abort)
    let mac: Uint8Array | undefined
    wire.listen((frame) => {
      mac = arpAnswer(frame) ?? mac
    })
    try {
      for (let tries = 0; tries < ARP_TRIES; tries++) {
        wire.send(arpRequest())
        await sleep(ARP_MS, undefined, { signal: abort })
        if (mac) return new NetPartner(wire, mac, abort)
      }
    } finally {
      wire.listen(undefined)
    }
    throw new ContenderRefused('its guest does not answer ARP requests')
  }

  /** What the guest waits for. */
  tell(): void {
    this.#wire.send(icmp(ICMP_ECHO_REPLY, this.#mac, SMALLEST))
  }

  /**
   * Keeps the queue of the guest's tap full, and rests while it is: the guest's VMM needs the processor more than we do.
   * @returns how many frames were sent
   */
  async flood(bytes: number, over: () => boolean): Promise<number> {
    const frame = silentFrame(this.#mac, bytes)
    let sent = 0
    while (!over()) {
      const before = this.#wire.counts().overflowed
      for (let index = 0; index < BURST; index++) this.#wire.send(frame)
      sent += BURST
      if (this.#wire.counts().overflowed > before) await sleep(REST_MS, undefined, { signal: this.#abort })
      else await nextTurn(undefined, { signal: this.#abort })
    }
    return sent
  }

  /** So many under way at a time, for so long. @returns nanoseconds an echo */
  async echoes(bytes: number, depth: number, ms: number): Promise<number> {
    const request = icmp(ICMP_ECHO, this.#mac, bytes)
    const begun = process.hrtime.bigint()
    const end = begun + BigInt(ms) * 1_000_000n
    let answered = 0
    let underWay = depth
    let last = begun
    const all = new Promise<void>((resolve) => {
      this.#wire.listen((frame) => {
        if (!isEchoReply(frame)) return
        answered++
        last = process.hrtime.bigint()
        if (last < end) this.#wire.send(request)
        else if (--underWay === 0) resolve()
      })
    })
    for (let index = 0; index < depth; index++) this.#wire.send(request)
    const watch = new AbortController()
    const signal = AbortSignal.any([this.#abort, watch.signal])
    try {
      await Promise.race([all, silence(() => last, signal)])
    } finally {
      watch.abort()
      this.#wire.listen(undefined)
    }
    return Number(last - begun) / answered
  }
}

/** @throws ContenderRefused when nothing has come for long: a frame was lost, and with all of them nothing comes any more */
async function silence(last: () => bigint, signal: AbortSignal): Promise<void> {
  const patience = BigInt(SILENCE_MS) * 1_000_000n
  while (process.hrtime.bigint() - last() < patience) {
    await sleep(SILENCE_MS / 10, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
  }
  throw new ContenderRefused(`echoes were lost: nothing came for ${SILENCE_MS / 1000} s`)
}
