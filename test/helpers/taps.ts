/** Taps of the host for tests: made with `ip`, under names of their own, and removed again. */
import { execFileSync } from 'node:child_process'
import { accessSync, constants, writeFileSync } from 'node:fs'

/** `ip` as root runs it. */
export const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe', timeout: 10_000, encoding: 'utf8' })

/** Why taps cannot be made here; undefined when they can. */
export const whyNoTaps = (): string | undefined => {
  if (process.getuid?.() !== 0) return 'taps are made by root'
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
  } catch {
    return 'there is no /dev/net/tun'
  }
  try {
    ip('-V')
  } catch {
    return 'iproute2 is not installed'
  }
  return undefined
}

let made = 0

export interface HostTap {
  readonly name: string
  readonly hostAddress: string
  readonly guestAddress: string
  ip(...args: string[]): void
  remove(): void
}

/** Up, with an address of the range for benchmarks (RFC 2544), and without IPv6, which talks unasked. */
export const makeTap = ({ mtu = 1500, up = true }: { mtu?: number; up?: boolean } = {}): HostTap => {
  const number = (process.pid * 16 + made++) % 0x4000
  const name = `cltst${number.toString(36)}`
  const network = `198.18.${number >> 6}.${(number & 63) << 2}`
  const host = (last: number) => network.replace(/\d+$/, (byte) => String(Number(byte) + last))
  ip('tuntap', 'add', name, 'mode', 'tap', 'vnet_hdr')
  const tap = {
    name,
    hostAddress: host(1),
    guestAddress: host(2),
    ip: (...args: string[]) => void ip(...args),
    remove() {
      try {
        ip('link', 'del', name)
      } catch {
        // A test may have removed it.
      }
    },
  }
  try {
    writeFileSync(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, '1')
  } catch {
    // A host without IPv6 needs none of it.
  }
  ip('link', 'set', name, 'mtu', String(mtu))
  ip('addr', 'add', `${tap.hostAddress}/30`, 'dev', name)
  if (up) ip('link', 'set', name, 'up')
  return tap
}
