/** What a guest is told to be: the items of CONFIGURE and RELEASE, in the order in which the agent does them. */
import { UsageError } from '../errors.ts'
import { ENTROPY_MAX, FILE, FRAME_MAX, ITEM, SHARE } from './protocol.ts'
import { PayloadWriter } from './wire.ts'

export interface GuestNetwork {
  /** eth0 unless said. */
  readonly interface?: string
  readonly mac: string
  readonly address: string
  readonly prefix: number
  readonly gateway?: string
}

export interface GuestRoot {
  /** Its name in the guest's /dev; otherwise it is found by its serial number. */
  readonly device?: string
  readonly serial?: string
  /** The size of the disk: one that was exchanged while the guest slept grows or shrinks to it first. */
  readonly bytes: number
  /** Of the file system; erofs unless said. */
  readonly type?: string
  /** Serial number of a disk for what is written, with a file system on it; memory otherwise. */
  readonly scratch?: string
  readonly scratchType?: string
}

export interface GuestDisk {
  /** Its name in the guest's /dev. */
  readonly device: string
  readonly bytes: number
}

export interface GuestShare {
  readonly tag: string
  readonly target: string
  readonly readOnly: boolean
  /** Further mount options of 9p, with commas between. */
  readonly options?: string
  /** The only entry of the share, which belongs at the target itself. */
  readonly file?: string
}

export interface GuestFile {
  readonly path: string
  readonly text: string
  /** 0644 unless said. */
  readonly mode?: number
  /** What the image has there stays; what the agent wrote there before is replaced. */
  readonly ifAbsent?: boolean
  /** Where it cannot be written the guest does without. */
  readonly ifPossible?: boolean
}

export interface GuestConfig {
  /** Nanoseconds since 1970. */
  readonly clock?: bigint
  /** Fresh random bytes: credited to the kernel's generator, which begins anew with them. */
  readonly entropy?: Uint8Array
  readonly hostname?: string
  /** Whether `lo` goes up. */
  readonly loopback?: boolean
  readonly network?: GuestNetwork
  readonly root?: GuestRoot
  /** Those of the user that were exchanged while the guest slept: their size and partitions are looked at anew. */
  readonly disks?: readonly GuestDisk[]
  readonly shares?: readonly GuestShare[]
  readonly files?: readonly GuestFile[]
  /** Files of its root that are read into its memory, for whoever is saved and goes on later. */
  readonly prefetch?: readonly string[]
}

/** @throws UsageError when it does not fit into a frame, or a part of it cannot be */
export function encodeConfig(config: GuestConfig): Buffer {
  const items = new PayloadWriter()
  const add = (kind: number, item: PayloadWriter) => {
    const bytes = item.end()
    items.u16(kind).u32(bytes.length).bytes(bytes)
  }
  const {
    clock,
    entropy,
    hostname,
    loopback,
    network,
    root,
    disks = [],
    shares = [],
    files = [],
    prefetch = [],
  } = config
  if (clock !== undefined) {
    add(ITEM.clock, new PayloadWriter().u64(clock / 1_000_000_000n).u32(Number(clock % 1_000_000_000n)))
  }
  if (entropy) add(ITEM.entropy, new PayloadWriter().bytes(entropy.subarray(0, ENTROPY_MAX)))
  if (hostname !== undefined) add(ITEM.hostname, new PayloadWriter().text(hostname))
  if (loopback) add(ITEM.loopback, new PayloadWriter())
  if (network) add(ITEM.network, networkItem(network))
  if (root) add(ITEM.root, rootItem(root))
  for (const { device, bytes } of disks) add(ITEM.disk, new PayloadWriter().u64(BigInt(bytes)).text(device))
  for (const share of shares) add(ITEM.share, shareItem(share))
  for (const file of files) add(ITEM.file, fileItem(file))
  for (const path of prefetch) add(ITEM.prefetch, new PayloadWriter().text(path))
  const bytes = items.end()
  if (bytes.length > FRAME_MAX) {
    throw new UsageError(
      `Cannot configure a guest: what it is to be takes ${bytes.length} bytes, ${FRAME_MAX} at most.`,
    )
  }
  return bytes
}

const networkItem = ({ interface: name = 'eth0', mac, address, prefix, gateway = '0.0.0.0' }: GuestNetwork) =>
  new PayloadWriter()
    .text(name)
    .bytes(numbers(mac, ':', 16, 6))
    .bytes(numbers(address, '.', 10, 4))
    .bytes(numbers(gateway, '.', 10, 4))
    .u16(prefix)

const rootItem = ({ bytes, device = '', serial = 'cloister-root', type = 'erofs', ...rest }: GuestRoot) =>
  new PayloadWriter()
    .u64(BigInt(bytes))
    .text(device)
    .text(serial)
    .text(type)
    .text(rest.scratch ?? '')
    .text(rest.scratchType ?? 'ext4')

const shareItem = ({ tag, target, readOnly, options = '', file = '' }: GuestShare) =>
  new PayloadWriter()
    .u16(readOnly ? SHARE.readOnly : 0)
    .text(tag)
    .text(target)
    .text(options)
    .text(file)

const fileItem = ({ path, text, mode = 0o644, ifAbsent = false, ifPossible = false }: GuestFile) =>
  new PayloadWriter()
    .u16((ifAbsent ? FILE.ifAbsent : 0) | (ifPossible ? FILE.ifPossible : 0))
    .u16(mode)
    .text(path)
    .bytes(Buffer.from(text))

function numbers(text: string, separator: string, radix: number, count: number): Uint8Array {
  const parts = text.split(separator).map((part) => (/^[\da-f]{1,3}$/i.test(part) ? Number.parseInt(part, radix) : -1))
  if (parts.length !== count || parts.some((part) => !(part >= 0 && part <= 255))) {
    throw new UsageError(`Cannot configure a guest: ${text} is no address.`)
  }
  return Uint8Array.from(parts)
}
