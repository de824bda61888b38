/**
 * The messages on the unikernel's control port, both ways. What arrives comes from the guest: lengths are capped,
 * unknown types are skipped, and a channel that broke its framing is closed for good.
 */
import type { ByteSink } from '../backends/streams.ts'
import {
  ARGS_HEADER_SIZE,
  ENTROPY_BYTES,
  EXIT_MESSAGE_SIZE,
  MESSAGE,
  MESSAGE_HEADER_SIZE,
  RELEASE,
  RELEASE_FLAG,
} from './abi.ts'

/** The longest message a guest has reason to send is a log line. */
const INCOMING_MAX = 4096

export interface ProgramExit {
  readonly status: number
  readonly signal: number
  readonly reason: number
}

export interface ControlEvents {
  onReady(): void
  onStarted(): void
  onLog(line: string): void
  onExit(exit: ProgramExit): void
  /** The program stands still until it is released. */
  onHeld(): void
  /** The guest does not keep to the protocol. */
  onViolation(what: string): void
}

/** Takes the guest's bytes in any slices and turns them into events. */
export function createControlParser(events: ControlEvents): ByteSink {
  const buffer = new Uint8Array(MESSAGE_HEADER_SIZE + INCOMING_MAX)
  const view = new DataView(buffer.buffer)
  let filled = 0
  let broken = false

  const expected = () =>
    filled < MESSAGE_HEADER_SIZE ? MESSAGE_HEADER_SIZE : MESSAGE_HEADER_SIZE + view.getUint32(4, true)

  const dispatch = () => {
    const payload = new DataView(buffer.buffer, MESSAGE_HEADER_SIZE, filled - MESSAGE_HEADER_SIZE)
    switch (view.getUint32(0, true)) {
      case MESSAGE.ready:
        events.onReady()
        break
      case MESSAGE.started:
        events.onStarted()
        break
      case MESSAGE.log:
        events.onLog(printable(buffer.subarray(MESSAGE_HEADER_SIZE, filled)))
        break
      case MESSAGE.held:
        events.onHeld()
        break
      case MESSAGE.exit:
        if (payload.byteLength < EXIT_MESSAGE_SIZE) return violate('an exit message cut short')
        events.onExit({
          status: payload.getUint32(0, true) & 0xff,
          signal: payload.getUint32(4, true) & 0x7f,
          reason: payload.getUint32(8, true),
        })
        break
    }
  }

  const violate = (what: string) => {
    broken = true
    events.onViolation(what)
  }

  return {
    write(bytes) {
      let at = 0
      while (at < bytes.length && !broken) {
        const count = Math.min(expected() - filled, bytes.length - at)
        buffer.set(bytes.subarray(at, at + count), filled)
        filled += count
        at += count
        if (filled < MESSAGE_HEADER_SIZE) break
        if (expected() > buffer.length) violate(`a message of ${view.getUint32(4, true)} bytes`)
        else if (filled === expected()) {
          dispatch()
          filled = 0
        }
      }
      return bytes.length
    },
    onDrain() {},
  }
}

/** Guest text may reach a terminal: control characters become visible. */
const printable = (bytes: Uint8Array) =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  new TextDecoder().decode(bytes).replace(/[\x00-\x1f\x7f-\x9f]/g, '\ufffd')

function message(type: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(MESSAGE_HEADER_SIZE + payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type, true)
  view.setUint32(4, payload.length, true)
  bytes.set(payload, MESSAGE_HEADER_SIZE)
  return bytes
}

export interface ProgramArgs {
  readonly path: string
  readonly cwd: string
  readonly argv: readonly string[]
  readonly env: readonly string[]
  /** Bits of ARGS. */
  readonly flags: number
}

export function argsMessage({ path, cwd, argv, env, flags }: ProgramArgs): Uint8Array {
  const strings = new TextEncoder().encode([path, cwd, ...argv, ...env].map((text) => `${text}\0`).join(''))
  const payload = new Uint8Array(ARGS_HEADER_SIZE + strings.length)
  const view = new DataView(payload.buffer)
  view.setUint32(0, argv.length, true)
  view.setUint32(4, env.length, true)
  view.setUint32(8, flags, true)
  payload.set(strings, ARGS_HEADER_SIZE)
  return message(MESSAGE.args, payload)
}

/** @param total bytes of stdin sent on the stdio port before its end */
export function stdinEndMessage(total: number): Uint8Array {
  const payload = new Uint8Array(8)
  new DataView(payload.buffer).setBigUint64(0, BigInt(total), true)
  return message(MESSAGE.stdinEnd, payload)
}

export function signalMessage(signo: number): Uint8Array {
  const payload = new Uint8Array(4)
  new DataView(payload.buffer).setUint32(0, signo, true)
  return message(MESSAGE.signal, payload)
}

export const holdMessage = (): Uint8Array => message(MESSAGE.hold, new Uint8Array(0))

/** Who the guest is when it goes on. */
export interface Release {
  /** ENTROPY_BYTES of them, for this guest alone. */
  readonly entropy: Uint8Array
  /** The host's, nanoseconds since 1970. */
  readonly realtimeNs: bigint
  /** As it was unless said. */
  readonly hostname?: string
  readonly network?: { readonly mac: Uint8Array; readonly address: AddressSettings }
}

/** Four bytes each, as on the wire. */
export interface AddressSettings {
  readonly address: Uint8Array
  readonly netmask: Uint8Array
  readonly gateway: Uint8Array
}

export function releaseMessage({ entropy, realtimeNs, hostname = '', network }: Release): Uint8Array {
  const payload = new Uint8Array(RELEASE.bytes)
  const view = new DataView(payload.buffer)
  payload.set(entropy.subarray(0, ENTROPY_BYTES), RELEASE.entropy)
  view.setBigUint64(RELEASE.realtime, realtimeNs, true)
  // The last byte stays the NUL.
  new TextEncoder().encodeInto(hostname, payload.subarray(RELEASE.hostname, RELEASE.bytes - 1))
  if (network) {
    const { mac, address } = network
    view.setUint16(RELEASE.flags, RELEASE_FLAG.network, true)
    payload.set(mac, RELEASE.mac)
    for (const field of ['address', 'netmask', 'gateway'] as const) payload.set(address[field], RELEASE[field])
  }
  return message(MESSAGE.release, payload)
}
