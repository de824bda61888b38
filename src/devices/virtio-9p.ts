/**
 * 9P transport: messages of a file system protocol, each in a chain with the room for its answer. What they say is the
 * server's affair. The identifier is of virtio 1.2 §5; the rest is in no version of the specification, but as Linux has it
 * (net/9p/trans_virtio.c, <linux/virtio_9p.h>).
 */
import type { FileServer, SavedFid, SavedSession } from '../backends/files/file-server.ts'
import { BugError } from '../errors.ts'
import { type Chain, gather, scatter } from '../virtio/chain.ts'
import { type DeviceHost, type DeviceQueue, type QueueSpec, VIRTIO_ID, type VirtioDevice } from '../virtio/device.ts'
import { DriverError } from '../virtio/driver-error.ts'
import { type Json, SavedFields } from '../virtio/saved-state.ts'
import { UnderWay } from '../virtio/under-way.ts'

/** The configuration space holds the tag: its length, 16 bits, and its characters. */
export const VIRTIO_9P_MOUNT_TAG = 1n << 0n

/** size[4] type[1] tag[2] */
const HEADER_BYTES = 7
/** The least that a reply can be, Rlerror, takes ecode[4] more. */
const LEAST_ROOM = HEADER_BYTES + 4
/** All of a message but the data of a write: longer ones are the server's to refuse. */
const HEAD_BYTES = 16 * 1024
/** As Linux has it, which puts up to so many pages into one request. */
const QUEUE_SIZE = 128
const MAX_CHAIN_BYTES = 2 * 2 ** 20
const TAG_MAX = 255
const FIDS_MAX = 2 ** 20
const PATH_MAX = 2 ** 16

export interface Virtio9pOptions {
  /** By which the guest mounts it: `mount -t 9p TAG`. */
  readonly tag: string
  readonly server: FileServer
}

export interface Virtio9p extends VirtioDevice {
  idle(): Promise<void>
}

export const virtio9p = (options: Virtio9pOptions): Virtio9p => new Transport(options)

class Transport implements Virtio9p {
  readonly id = VIRTIO_ID.transport9p
  readonly name = '9p'
  readonly features = VIRTIO_9P_MOUNT_TAG
  readonly config: Uint8Array
  readonly queues: readonly QueueSpec[] = [
    { name: 'requestq', maxSize: QUEUE_SIZE, maxChainBytes: MAX_CHAIN_BYTES, look: true },
  ]
  readonly #server: FileServer
  readonly #head = new Uint8Array(HEAD_BYTES)
  readonly #fields = new DataView(this.#head.buffer)
  #host: DeviceHost | undefined
  readonly #underWay = new UnderWay({ drain: () => this.#server.drain(), serve: () => this.#host?.serve(0) })

  constructor({ tag, server }: Virtio9pOptions) {
    this.#server = server
    this.config = tagConfig(tag)
  }

  activate(host: DeviceHost): void {
    this.#host = host
  }

  onAvailable(_index: number, queue: DeviceQueue): void {
    if (this.#underWay.leftovers) return
    try {
      for (let chain = queue.next(); chain; chain = queue.next()) this.#begin(chain)
    } finally {
      // Also after a mistake: the requests before it are good.
      this.#server.submit()
    }
  }

  queueDisabled(): void {
    this.#underWay.letGo()
  }

  reset(): void {
    this.#underWay.letGo()
    this.#host = undefined
    this.#server.reset()
  }

  idle(): Promise<void> {
    return this.#underWay.idle()
  }

  save(): Json {
    const { msize, fids } = this.#server.save()
    return { msize, fids: fids.map((fid) => ({ ...fid })) }
  }

  restore(state: Json): void {
    this.#server.restore(readSession(state))
  }

  #begin(chain: Chain): void {
    if (chain.writableBytes < LEAST_ROOM)
      throw new DriverError(`a 9P request with room for an answer of ${chain.writableBytes} bytes`)
    // Copied once: what the driver changes afterwards is not looked at.
    const copied = gather(chain.readable, this.#head)
    if (copied < HEADER_BYTES) throw new DriverError(`a 9P request of ${copied} bytes`)
    const size = this.#fields.getUint32(0, true)
    if (size < HEADER_BYTES || size > chain.readableBytes)
      throw new DriverError(`a 9P message that claims ${size} of ${chain.readableBytes} bytes`)
    this.#underWay.begin()
    const request = {
      type: this.#fields.getUint8(4),
      tag: this.#fields.getUint16(5, true),
      size,
      head: this.#head.subarray(0, Math.min(size, copied)),
      message: chain.readable,
      room: chain.writable,
      roomBytes: chain.writableBytes,
    }
    this.#server.serve(request, (head, data) => {
      if (!chain.stale) chain.complete(scatter(chain.writable, head) + data)
      this.#underWay.end()
    })
  }
}

function tagConfig(tag: string): Uint8Array {
  const text = new TextEncoder().encode(tag)
  if (text.length === 0 || text.length > TAG_MAX) throw new BugError(`Cannot name a share "${tag}".`)
  const config = new Uint8Array(2 + text.length)
  new DataView(config.buffer).setUint16(0, text.length, true)
  config.set(text, 2)
  return config
}

function readSession(state: Json): SavedSession {
  const saved = new SavedFields('virtio-9p', state)
  return { msize: saved.integer('msize', 0xffffffff), fids: saved.array('fids', FIDS_MAX, readFid) }
}

function readFid(value: Json): SavedFid {
  const saved = new SavedFields('virtio-9p', value)
  return {
    fid: saved.integer('fid', 0xffffffff),
    uid: saved.integer('uid', 0xffffffff),
    path: saved.textOrNull('path', PATH_MAX),
    inode: saved.textOrNull('inode', 20) ?? '',
    type: saved.integer('type', 0o170000),
    flags: saved.value('flags') === null ? null : saved.integer('flags', 0x7fffffff),
  }
}
