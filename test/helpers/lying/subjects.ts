/** Each device with a host side that a test can steer. */
import { type BufferSink, createBufferSink, createBufferSource } from '../../../src/backends/buffer-stream.ts'
import { createNetWire } from '../../../src/backends/net-wire.ts'
import { virtioBalloon } from '../../../src/devices/virtio-balloon.ts'
import { virtioBlk } from '../../../src/devices/virtio-blk.ts'
import { virtioConsole } from '../../../src/devices/virtio-console.ts'
import { virtioNet } from '../../../src/devices/virtio-net.ts'
import { virtioRng } from '../../../src/devices/virtio-rng.ts'
import { virtioVsock } from '../../../src/devices/virtio-vsock.ts'
import { VSOCK_BYTES_MAX } from '../../../src/devices/virtio-vsock-allowance.ts'
import { IoVector } from '../../../src/memory/io-vector.ts'
import type { Chain } from '../../../src/virtio/chain.ts'
import { LOW } from '../guarded-memory.ts'
import { createMemoryDisk } from '../memory-disk.ts'
import { ALL_OFFLOADS, checkSentFrame, MAC, netHeader } from '../net.ts'
import { createProbeDevice } from '../probe-device.ts'
import { TestClock } from '../test-clock.ts'
import { createFakeBackend } from '../vsock-backend.ts'
import { shareSubject } from './share-subject.ts'
import type { Subject } from './subject.ts'

export const SUBJECTS: Record<string, () => Subject> = {
  'a device that completes late and out of order': () => {
    const device = createProbeDevice({ queueCount: 3, config: new Uint8Array(16), maxChainBytes: 0x8000 })
    // Chains are never forgotten, so that many are completed twice, or after a reset.
    const complete = (chain: Chain | undefined) => {
      for (const segment of chain?.stale === false ? chain.writable : []) segment.fill(0x3c)
      chain?.complete(chain.writableBytes)
    }
    return { device, hostEvent: (choice) => complete(device.chains[choice % (device.chains.length || 1)]) }
  },
  'a device with a rate': () => {
    const clock = new TestClock()
    const rate = { bytesPerSecond: 10_000, operationsPerSecond: 20 }
    const device = createProbeDevice({ queueCount: 3, config: new Uint8Array(16), maxChainBytes: 0x8000, rate })
    device.onChain = (chain) => chain.complete(chain.writableBytes)
    return {
      device,
      clock,
      hostEvent: (choice) => clock.advance(choice),
      damage: () => (clock.timers > device.queues.length ? `${clock.timers} timers run` : undefined),
    }
  },
  'virtio-rng': () => {
    let filled = 0
    const fill = (bytes: Uint8Array) => {
      filled++
      return bytes.fill(0x77)
    }
    return { device: virtioRng({ fill }), hostEvent: () => {}, reached: () => filled }
  },
  'virtio-net': () => {
    const { ends, plug } = createNetWire({ capacity: 4, offloads: ALL_OFFLOADS })
    const [backend, far] = ends
    const device = virtioNet({ backend, mac: MAC })
    const vector = new IoVector()
    const into = new Uint8Array(70_000)
    let sent = 0
    return {
      device,
      reached: () => sent,
      hostEvent: (choice) => {
        vector.pack([into])
        const got = far.receive(vector)
        if (got > 0) {
          sent++
          checkSentFrame(into.subarray(0, got))
        }
        if (choice === 0) plug(false)
        else if (choice === 1) plug(true)
        else far.send(netHeader({ gsoType: choice & 1 }), [new Uint8Array(choice * choice * choice)], 0)
      },
    }
  },
  'virtio-blk': () => blockSubject(false),
  'virtio-blk, read-only': () => blockSubject(true),
  'virtio-9p': () => shareSubject(false),
  'virtio-9p, read-only': () => shareSubject(true),
  'virtio-console': () => {
    const source = createBufferSource()
    const sinks: BufferSink[] = [createBufferSink({ capacity: 7 }), createBufferSink({ capacity: 0x10000 })]
    const device = virtioConsole({
      ports: [
        { name: 'stdio', isConsole: true, sink: sinks[0], source },
        { name: 'stderr', isConsole: false, sink: sinks[1] },
      ],
      size: { cols: 1, rows: 1 },
      emergencyWrite: true,
    })
    let taken = 0
    return {
      device,
      reached: () => taken,
      hostEvent: (choice) => {
        if (choice < 10) source.push(new Uint8Array(choice * choice + 1))
        else if (choice === 10) device.resize({ cols: 2, rows: 2 })
        else if (sinks[choice % 2]!.take().length > 0) taken++
      },
    }
  },
  'virtio-vsock': () => {
    const backend = createFakeBackend()
    const device = virtioVsock({ backend, after: () => () => {} })
    const streams = () => [...backend.asked, ...dialled]
    const dialled: NonNullable<ReturnType<typeof backend.dial>>[] = []
    return {
      device,
      reached: () => streams().filter(({ underWay, delivered }) => underWay.length + delivered.length > 0).length,
      damage: () => {
        const held = streams().reduce((sum, one) => sum + (one.listener ? one.bytesUnderWay + one.limit : 0), 0)
        return held > VSOCK_BYTES_MAX ? `${held} bytes are held for streams` : undefined
      },
      hostEvent: (choice) => {
        const stream = streams()[choice % (streams().length || 1)]
        if (choice < 8) dialled.push(...[backend.dial(choice)].flatMap((one) => one ?? []))
        else if (choice < 12) stream?.listener?.opened()
        else if (choice < 20) stream?.push(new Uint8Array(choice * choice))
        else if (choice < 26) stream?.deliver(1)
        else if (choice < 28) stream?.end()
        else stream?.die()
      },
    }
  },
  'virtio-balloon': () => {
    // A view is not touched: its length says whether it was checked.
    let released = 0
    const releaseView = ({ length }: Uint8Array) => {
      released++
      return length
    }
    const reclaimer = { release: () => 0, releaseView }
    const device = virtioBalloon({ memoryBytes: LOW.size, reclaimer })
    return {
      device,
      reached: () => released,
      hostEvent: (choice) => {
        if (choice % 2 === 0) device.setTarget(choice * 4096)
        else device.statistics()
      },
    }
  },
}

/** Requests end late, in any order, some with errors; bytes around the disk are none of its business. */
const blockSubject = (readOnly: boolean): Subject => {
  const disk = createMemoryDisk({ sectors: 8, readOnly, late: true })
  return {
    device: virtioBlk(disk),
    hostEvent: (choice) => {
      disk.failWith = choice % 8 === 0 ? 5 : 0
      const [end] = disk.underWay.splice(choice % (disk.underWay.length || 1), 1)
      end?.()
    },
    reached: () => disk.asked.length,
    damage: () => {
      if (!disk.guardsIntact()) return 'bytes beside the disk were written'
      return readOnly && disk.content.some((byte) => byte !== 0) ? 'a read-only disk was written' : undefined
    },
  }
}
