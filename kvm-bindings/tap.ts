/**
 * Interfaces of the host by name, and the user's end of a tap. Each frame of a tap opened here has a virtio_net_hdr_v1
 * in front. netdevice(7); the kernel's Documentation/networking/tuntap.rst
 */
import {
  AF_INET,
  IFF_MULTI_QUEUE,
  IFF_NO_PI,
  IFF_PERSIST,
  IFF_TAP,
  IFF_UP,
  IFF_VNET_HDR,
  O_NONBLOCK,
  O_RDWR,
  SIOCGIFFLAGS,
  SIOCGIFMTU,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  TUNGETIFF,
  TUNSETIFF,
  TUNSETOFFLOAD,
  TUNSETVNETHDRSZ,
} from './constants.ts'
import { cFunction, close, ioctl, open, retrying } from './ffi.ts'
import { ifreq } from './structs/tap.ts'

export const TUN_PATH = '/dev/net/tun'
/** Longer names do not exist: IFNAMSIZ less the zero. */
export const INTERFACE_NAME_MAX = 15
const VNET_HEADER_BYTES = 12

const cSocket = cFunction('socket', 'int', ['int', 'int', 'int'])

const request = (name: string, flags = 0): Uint8Array => {
  const bytes = new TextEncoder().encode(name)
  if (bytes.length === 0 || bytes.length > INTERFACE_NAME_MAX) throw new RangeError(`Not an interface: "${name}".`)
  const padded = new Uint8Array(ifreq.fields.ifr_name.size)
  padded.set(bytes)
  const encoded = ifreq.encode({ ifr_name: padded })
  ifreq.view(encoded).ifr_flags = flags
  return encoded
}

export interface InterfaceFacts {
  readonly up: boolean
  readonly mtu: number
}

/** @throws SyscallError: ENODEV when there is none of this name in this network namespace */
export function interfaceFacts(name: string): InterfaceFacts {
  const socket = retrying(() => cSocket()(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket')
  try {
    const flags = request(name)
    ioctl(socket, SIOCGIFFLAGS, flags, 'SIOCGIFFLAGS')
    const mtu = request(name)
    ioctl(socket, SIOCGIFMTU, mtu, 'SIOCGIFMTU')
    return { up: (ifreq.view(flags).ifr_flags & IFF_UP) !== 0, mtu: ifreq.view(mtu).ifr_mtu }
  } finally {
    close(socket)
  }
}

/**
 * Attaches to a tap; without one of this name, Linux would make one (CAP_NET_ADMIN), for as long as it is open.
 * @throws SyscallError: EINVAL for what is no tap, EBUSY when somebody is attached, EPERM for who is not its owner
 */
export function openTap(name: string): number {
  const fd = open(TUN_PATH, O_RDWR | O_NONBLOCK)
  try {
    attach(fd, name, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
    ioctl(fd, TUNSETVNETHDRSZ, intBytes(VNET_HEADER_BYTES), 'TUNSETVNETHDRSZ')
    return fd
  } catch (error) {
    close(fd)
    throw error
  }
}

/** A tap made for several queues wants to be asked as one. */
function attach(fd: number, name: string, flags: number): void {
  try {
    ioctl(fd, TUNSETIFF, request(name, flags), 'TUNSETIFF')
  } catch (error) {
    if ((error as { code?: string }).code !== 'EINVAL') throw error
    ioctl(fd, TUNSETIFF, request(name, flags | IFF_MULTI_QUEUE), 'TUNSETIFF')
  }
}

const intBytes = (value: number) => new Uint8Array(Int32Array.of(value).buffer)

/** Whether the tap outlives its users, as one that somebody made on purpose does. */
export function isPersistentTap(fd: number): boolean {
  const answer = new Uint8Array(ifreq.size)
  ioctl(fd, TUNGETIFF, answer, 'TUNGETIFF')
  return (ifreq.view(answer).ifr_flags & IFF_PERSIST) !== 0
}

/** @param flags TUN_F_*: what frames that are read may leave undone. @throws SyscallError: EINVAL for unknown ones */
export const setTapOffload = (fd: number, flags: number): void => {
  ioctl(fd, TUNSETOFFLOAD, flags, 'TUNSETOFFLOAD')
}
