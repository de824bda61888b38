/**
 * A guest that attacks its own host through the real windows and ports (guest-kernel/tests/fuzz-devices.c), with every
 * device there is. CLOISTER_FUZZ_SEEDS sets how many seeds, CLOISTER_FUZZ_SEED the first one, CLOISTER_FUZZ_ROUNDS how
 * long each runs; a run is replayed by its seed, which the guest prints.
 */
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createBufferSource } from '../../src/backends/buffer-stream.ts'
import { openAsyncFiles } from '../../src/backends/disk/async-files.ts'
import { openRawDisk } from '../../src/backends/disk/open-disk.ts'
import { createReclaimer } from '../../src/backends/memory-reclaimer.ts'
import { createNetWire } from '../../src/backends/net-wire.ts'
import { Reactor } from '../../src/backends/reactor.ts'
import type { ByteSink } from '../../src/backends/streams.ts'
import { virtioBalloon } from '../../src/devices/virtio-balloon.ts'
import { virtioBlk } from '../../src/devices/virtio-blk.ts'
import { virtioConsole } from '../../src/devices/virtio-console.ts'
import { virtioNet } from '../../src/devices/virtio-net.ts'
import { virtioRng } from '../../src/devices/virtio-rng.ts'
import { virtioVsock } from '../../src/devices/virtio-vsock.ts'
import { createMachine } from '../../src/machine/machine.ts'
import { MIB } from '../../src/memory/memory-map.ts'
import { guestPath } from '../helpers/guests.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { ALL_OFFLOADS, frame, MAC } from '../helpers/net.ts'
import { createFakeBackend } from '../helpers/vsock-backend.ts'

const SEEDS = Number(process.env.CLOISTER_FUZZ_SEEDS ?? 3)
const FIRST_SEED = Number(process.env.CLOISTER_FUZZ_SEED ?? 1)
const ROUNDS = Number(process.env.CLOISTER_FUZZ_ROUNDS ?? 1500)

const MEMORY = 32 * MIB
/** Far above what a run needs, far below what a queue that is served without bound would take. */
const RESIDENT_GROWTH_MAX = 256 * MIB
const DISK_BYTES = MIB
const CANARY = Buffer.alloc(4096, 0xc5)

const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')

/** A reader that is slow: now and then it takes nothing. */
const moodySink = (): ByteSink => {
  let writes = 0
  return {
    write: (bytes) => (writes++ % 8 === 7 ? bytes.length >> 1 : bytes.length),
    onDrain: (drained) => setImmediate(drained),
  }
}

/** Host programs answer the first streams and refuse the rest. */
const vsockBackend = () => {
  const backend = createFakeBackend()
  const { connect } = backend
  return Object.assign(backend, {
    connect: (...args: Parameters<typeof connect>) => (backend.asked.length < 100 ? connect(...args) : undefined),
  })
}

function everyDevice(directory: string, reactor: Reactor) {
  const paths = { writable: join(directory, 'writable.img'), readOnly: join(directory, 'read-only.img') }
  writeFileSync(paths.writable, Buffer.alloc(DISK_BYTES, 1))
  writeFileSync(paths.readOnly, Buffer.alloc(DISK_BYTES, 2))
  const files = openAsyncFiles(reactor)
  const disks = [openRawDisk(paths.writable, false, files), openRawDisk(paths.readOnly, true, files)]
  const [backend, far] = createNetWire({ offloads: ALL_OFFLOADS }).ends
  const traffic = setInterval(() => far.send(new Uint8Array(12), [frame(60)], 0), 2)
  const source = createBufferSource()
  source.push(new Uint8Array(100_000))
  const reclaimer = createReclaimer()
  const stdio = { name: 'stdio', isConsole: true, sink: moodySink(), source }
  const devices = [
    virtioConsole({
      ports: [stdio, { isConsole: false, sink: moodySink() }, { isConsole: false }],
      emergencyWrite: true,
    }),
    virtioRng({ fill: (bytes) => bytes.fill(0x5a) }),
    ...disks.map((disk) => virtioBlk(disk)),
    virtioNet({ backend, mac: MAC }),
    virtioVsock({ backend: vsockBackend() }),
    virtioBalloon({ memoryBytes: MEMORY, reclaimer }),
  ]
  return {
    devices,
    paths,
    reclaimer,
    close() {
      clearInterval(traffic)
      for (const disk of disks) disk.close()
      files.close()
    },
  }
}

async function fuzz(seed: number, directory: string) {
  const log: string[] = []
  const serial: Buffer[] = []
  const reactor = new Reactor((error) => log.push(`reactor: ${error.stack}`))
  const parts = everyDevice(directory, reactor)
  const machine = await createMachine({
    reactor,
    memoryBytes: MEMORY,
    kernel: guestPath('fuzz-devices'),
    commandLine: `seed=${seed} rounds=${ROUNDS}`,
    modules: [],
    devices: parts.devices,
    onRam: (ram) => parts.reclaimer.bind(ram),
    log: (line) => log.push(line),
    serial: { sink: { write: (bytes) => serial.push(Buffer.from(bytes)) && bytes.length, onDrain() {} } },
  })
  try {
    machine.start()
    const end = await machine.ended
    return {
      end,
      log,
      output: Buffer.concat(serial).toString(),
      paths: parts.paths,
      resident: process.memoryUsage.rss(),
    }
  } finally {
    await machine.close()
    parts.close()
    await reactor.close()
  }
}

for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
  kvmTestSerial(`a guest that fuzzes its own devices harms nobody (seed ${seed}, ${ROUNDS} rounds)`, async (t) => {
    t.timeout(300_000)
    const directory = mkdtempSync(join(tmpdir(), 'cloister-fuzz-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    const canaries = ['a', 'z'].map((name) => join(directory, `${name}.canary`))
    for (const canary of canaries) writeFileSync(canary, CANARY)
    const before = process.memoryUsage.rss()

    const { end, log, output, paths, resident } = await fuzz(seed, directory)

    t.deepEqual(end, { kind: 'exitPort', value: 0 }, `${output}\n${log.slice(-20).join('\n')}`)
    t.regex(output, new RegExp(`seed=${seed} rounds=${ROUNDS}`))
    t.regex(output, /^PASS fuzz-devices\r?$/m)
    t.deepEqual(
      log.filter((line) => /device failed|reactor/.test(line)),
      [],
    )
    t.true(
      log.some((line) => line.includes('driver mistake')),
      'it went wrong in no way at all',
    )
    t.true(resident - before < RESIDENT_GROWTH_MAX, `${(resident - before) / MIB} MiB more`)
    for (const canary of canaries) t.deepEqual(readFileSync(canary), CANARY)
    t.is(statSync(paths.writable).size, DISK_BYTES)
    t.is(sha256(paths.readOnly), createHash('sha256').update(Buffer.alloc(DISK_BYTES, 2)).digest('hex'))
  })
}
