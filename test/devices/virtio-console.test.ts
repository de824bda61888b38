import test from 'ava'
import { type BufferSink, createBufferSink, createBufferSource } from '../../src/backends/buffer-stream.ts'
import { VIRTIO_CONSOLE_F_MULTIPORT, VIRTIO_CONSOLE_F_SIZE, virtioConsole } from '../../src/devices/virtio-console.ts'
import { encodeControl, VIRTIO_CONSOLE } from '../../src/devices/virtio-console-control.ts'
import { createGuardedMemory } from '../helpers/guarded-memory.ts'
import { ALL_RING_FEATURES, MmioDriver } from '../helpers/mmio-driver.ts'

const { DEVICE_READY, PORT_ADD, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME } = VIRTIO_CONSOLE
const [RX0, TX0, CONTROL_RX, CONTROL_TX, TX1] = [0, 1, 2, 3, 5]
const DATA = 0x8000
const CONTROL_AT = 0xe000

const bytesOf = (text: string) => new TextEncoder().encode(text)

interface Setup {
  readonly sink?: BufferSink
  readonly features?: bigint
  readonly size?: { cols: number; rows: number }
  readonly emergencyWrite?: boolean
}

const create = ({ sink = createBufferSink(), features, ...rest }: Setup = {}) => {
  const source = createBufferSource()
  const errors = createBufferSink()
  const device = virtioConsole({
    ports: [
      { name: 'stdio', isConsole: true, sink, source },
      { name: 'stderr', isConsole: false, sink: errors },
    ],
    ...rest,
  })
  const driver = new MmioDriver(device)
  driver.start({ features: ALL_RING_FEATURES | (features ?? VIRTIO_CONSOLE_F_MULTIPORT) })
  return { driver, device, sink, source, errors }
}

const say = (driver: MmioDriver, id: number, event: number, value: number) => {
  const message = encodeControl({ id, event, value })
  driver.memory.bytes(CONTROL_AT, message.length).set(message)
  driver.queue(CONTROL_TX).post({ gpa: CONTROL_AT, length: message.length })
  driver.kick(CONTROL_TX)
  driver.queue(CONTROL_TX).takeUsed()
}

/** Offers `count` control buffers and returns what comes back: [port, event, value, payload]. */
const hear = (driver: MmioDriver, count = 7): [number, number, number, string][] => {
  const queue = driver.queue(CONTROL_RX)
  for (let i = 0; i < count; i++) queue.post({ gpa: CONTROL_AT + 0x100 + 64 * i, length: 64, write: true })
  driver.kick(CONTROL_RX)
  return queue.takeUsed().map(({ id, length }) => {
    const at = Number(driver.memory.readU64(queue.descriptors + 16 * id))
    return [
      driver.memory.readU32(at),
      driver.memory.readU16(at + 4),
      driver.memory.readU16(at + 6),
      driver.text(at + 8, length - 8),
    ]
  })
}

test('virtio-console is device 3, offers MULTIPORT alone by default, and says how many ports it has (§5.3)', (t) => {
  const { driver, device } = create()
  t.is(driver.read('DeviceID'), 3)
  t.is(device.features, VIRTIO_CONSOLE_F_MULTIPORT)
  t.is(driver.transport.queueCount, 6)
  t.deepEqual([...driver.readConfig(0, 12)], [0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])
})

test('the driver learns of each port, its name, the console among them, and that the host is there (§5.3.6.2)', (t) => {
  const { driver } = create()
  say(driver, 0xffffffff, DEVICE_READY, 1)
  t.deepEqual(hear(driver), [
    [0, PORT_ADD, 1, ''],
    [1, PORT_ADD, 1, ''],
  ])
  say(driver, 0, PORT_READY, 1)
  say(driver, 1, PORT_READY, 1)
  // Two of the buffers are used up, five wait still.
  t.deepEqual(hear(driver, 2), [
    [0, PORT_NAME, 1, 'stdio'],
    [0, CONSOLE_PORT, 1, ''],
    [0, PORT_OPEN, 1, ''],
    [1, PORT_NAME, 1, 'stderr'],
    [1, PORT_OPEN, 1, ''],
  ])
})

test('a driver that says it failed (value 0) is told nothing', (t) => {
  const { driver } = create()
  say(driver, 0, DEVICE_READY, 0)
  say(driver, 0, PORT_READY, 0)
  t.deepEqual(hear(driver), [])
})

test('output of each port goes to its own sink, and the buffers come back with length 0', (t) => {
  const { driver, sink, errors } = create()
  driver.queue(TX0).post(driver.put(DATA, 'hello '), driver.put(DATA + 100, 'world'))
  driver.kick(TX0)
  driver.queue(TX1).post(driver.put(DATA + 200, 'oops'))
  driver.kick(TX1)
  t.is(sink.takeText(), 'hello world')
  t.is(errors.takeText(), 'oops')
  t.is(driver.queue(TX0).takeUsed()[0]!.length, 0)
})

test('host input stays in the source until the driver opens the port, even with buffers waiting', (t) => {
  const { driver, source } = create()
  driver.queue(RX0).post({ gpa: DATA, length: 64, write: true })
  driver.kick(RX0)
  source.push(bytesOf('early'))
  t.is(source.length, 5)
  say(driver, 0, PORT_OPEN, 1)
  t.is(source.length, 0)
  t.deepEqual(driver.queue(RX0).takeUsed(), [{ id: 0, length: 5 }])
  t.is(driver.text(DATA, 5), 'early')
})

test('host input is pulled as far as the driver has buffers, and no further', (t) => {
  const { driver, source } = create()
  say(driver, 0, PORT_OPEN, 1)
  source.push(bytesOf('0123456789'))
  driver.queue(RX0).post({ gpa: DATA, length: 2, write: true }, { gpa: DATA + 16, length: 2, write: true })
  driver.kick(RX0)
  t.is(source.length, 6)
  t.is(driver.text(DATA, 2) + driver.text(DATA + 16, 2), '0123')
  driver.queue(RX0).post({ gpa: DATA + 32, length: 64, write: true })
  driver.kick(RX0)
  t.is(driver.text(DATA + 32, 6), '456789')
  t.deepEqual(
    driver
      .queue(RX0)
      .takeUsed()
      .map(({ length }) => length),
    [4, 6],
  )
})

test('a buffer that waits is filled when input comes, with an interrupt', (t) => {
  const { driver, source } = create()
  say(driver, 0, PORT_OPEN, 1)
  driver.queue(RX0).post({ gpa: DATA, length: 64, write: true })
  driver.kick(RX0)
  const before = driver.interrupts
  source.push(bytesOf('x'))
  t.deepEqual(driver.queue(RX0).takeUsed(), [{ id: 0, length: 1 }])
  t.is(driver.interrupts, before + 1)
})

test('a port that the driver closed takes no more input', (t) => {
  const { driver, source } = create()
  say(driver, 0, PORT_OPEN, 1)
  say(driver, 0, PORT_OPEN, 0)
  driver.queue(RX0).post({ gpa: DATA, length: 64, write: true })
  driver.kick(RX0)
  source.push(bytesOf('late'))
  t.is(source.length, 4)
})

test('a sink that takes too little leaves the chain pending until it has room', (t) => {
  const { driver, sink } = create({ sink: createBufferSink({ capacity: 4 }) })
  const queue = driver.queue(TX0)
  queue.post(driver.put(DATA, 'abc'), driver.put(DATA + 16, 'defghi'))
  queue.post(driver.put(DATA + 32, 'jk'))
  driver.kick(TX0)
  t.is(queue.usedIndex, 0)
  t.is(sink.takeText(), 'abcd')
  t.is(queue.usedIndex, 0)
  t.is(sink.takeText(), 'efgh')
  t.is(sink.takeText(), 'ijk')
  t.is(queue.takeUsed().length, 2)
})

test('a sink without room keeps its port waiting and no other', (t) => {
  const { driver, errors } = create({ sink: createBufferSink({ capacity: 0 }) })
  driver.queue(TX0).post(driver.put(DATA, 'stuck'))
  driver.kick(TX0)
  driver.queue(TX1).post(driver.put(DATA + 16, 'free'))
  driver.kick(TX1)
  t.is(errors.takeText(), 'free')
})

test('flushed resolves when the sinks took all output that was made available', async (t) => {
  const { driver, device, sink } = create({ sink: createBufferSink({ capacity: 4 }) })
  driver.queue(TX0).post(driver.put(DATA, 'abcdef'))
  driver.queue(TX0).post(driver.put(DATA + 16, 'gh'))
  driver.transport.drain()
  let done = false
  const flushed = device.flushed().then(() => {
    done = true
  })
  await new Promise(setImmediate)
  t.false(done)
  t.is(sink.takeText(), 'abcd')
  t.is(sink.takeText(), 'efgh')
  await flushed
  t.true(done)
})

test('flushed does not wait for a driver that was reset, nor for one that broke a rule', async (t) => {
  for (const end of [
    (driver: MmioDriver) => driver.write('Status', 0),
    (driver: MmioDriver) => {
      driver.queue(TX1).offer(99)
      driver.kick(TX1)
    },
  ]) {
    const { driver, device } = create({ sink: createBufferSink({ capacity: 1 }) })
    driver.queue(TX0).post(driver.put(DATA, 'abc'))
    driver.kick(TX0)
    const flushed = device.flushed()
    end(driver)
    await t.notThrowsAsync(flushed)
  }
})

test('without MULTIPORT, port 0 is open from the start and the control queues are dead', (t) => {
  const { driver, sink, source } = create({ features: 0n })
  source.push(bytesOf('in'))
  driver.queue(RX0).post({ gpa: DATA, length: 8, write: true })
  driver.kick(RX0)
  t.is(driver.text(DATA, 2), 'in')
  driver.queue(TX0).post(driver.put(DATA, 'out'))
  driver.kick(TX0)
  t.is(sink.takeText(), 'out')
  say(driver, 0, DEVICE_READY, 1)
  t.deepEqual(hear(driver), [])
})

test('a driver that never offers control buffers can ask as often as it likes: what waits for it is bounded (class 27)', (t) => {
  const { driver, device } = create()
  for (let i = 0; i < 1000; i++) {
    say(driver, 0, DEVICE_READY, 1)
    say(driver, i % 2, PORT_READY, 1)
  }
  const { outbox } = device.save() as { outbox: unknown[] }
  t.is(outbox.length, 7)
})

test('a control message that is short, or for no port, makes the device ask for a reset', (t) => {
  for (const mistake of [
    (driver: MmioDriver) => {
      driver.queue(CONTROL_TX).post({ gpa: CONTROL_AT, length: 7 })
      driver.kick(CONTROL_TX)
    },
    (driver: MmioDriver) => say(driver, 2, PORT_OPEN, 1),
    (driver: MmioDriver) => {
      driver.queue(CONTROL_RX).post({ gpa: CONTROL_AT, length: 4, write: true })
      say(driver, 0, DEVICE_READY, 1)
    },
  ]) {
    const { driver } = create()
    mistake(driver)
    t.true(driver.needsReset)
    t.regex(driver.log[0]!, /driver mistake/)
  }
})

test('an unknown control event is ignored', (t) => {
  const { driver } = create()
  say(driver, 0, 0x7777, 1)
  t.false(driver.needsReset)
})

test('the emergency register sends one character to port 0 without any queue (§5.3.5)', (t) => {
  const sink = createBufferSink()
  const device = virtioConsole({ ports: [{ isConsole: true, sink }], emergencyWrite: true })
  const driver = new MmioDriver(device)
  driver.writeAt(0x108, 0x41, 4)
  t.is(sink.takeText(), 'A')
})

test('without EMERG_WRITE the emergency register is nothing', (t) => {
  const { driver, sink } = create()
  driver.writeAt(0x108, 0x41, 4)
  t.is(sink.length, 0)
})

test('a new size is a configuration change, or a message when there are several ports (§5.3.6)', (t) => {
  const size = { cols: 80, rows: 25 }
  const single = create({ size, features: VIRTIO_CONSOLE_F_SIZE })
  t.deepEqual([...single.driver.readConfig(0, 4)], [80, 0, 25, 0])
  single.device.resize({ cols: 300, rows: 60 })
  t.is(single.driver.read('InterruptStatus'), 2)
  t.deepEqual([...single.driver.readConfig(0, 4)], [44, 1, 60, 0])

  const { driver, device } = create({ size, features: VIRTIO_CONSOLE_F_SIZE | VIRTIO_CONSOLE_F_MULTIPORT })
  say(driver, 0, DEVICE_READY, 1)
  device.resize({ cols: 100, rows: 50 })
  device.resize({ cols: 101, rows: 51 })
  t.deepEqual(hear(driver).at(-1), [0, RESIZE, 0, String.fromCharCode(101, 0, 51, 0)])
})

test('output that floods in is taken in bounded turns, and all of it arrives (class 27)', (t) => {
  const sink = createBufferSink()
  const device = virtioConsole({ ports: [{ isConsole: true, sink }] })
  const driver = new MmioDriver(device, createGuardedMemory([{ gpa: 0, size: 6 * 2 ** 20 }]))
  driver.start()
  for (let i = 0; i < 8; i++) driver.queue(TX0).post({ gpa: 0, length: 6 * 2 ** 20 })
  driver.kick(TX0)
  t.is(sink.length, 6 * 2 ** 20)
  t.true(driver.settle() > 0)
  t.is(sink.length, 48 * 2 ** 20)
})

test('a half-sent buffer goes on where it was after save and restore', (t) => {
  const { driver, device } = create({ sink: createBufferSink({ capacity: 4 }) })
  say(driver, 0, PORT_OPEN, 1)
  driver.queue(TX0).post(driver.put(DATA, 'abcdefgh'))
  driver.kick(TX0)
  driver.queue(RX0).post({ gpa: DATA + 100, length: 16, write: true })
  driver.kick(RX0)
  const state = JSON.parse(JSON.stringify(driver.transport.save()))

  const sink = createBufferSink()
  const source = createBufferSource()
  const ports = [
    { name: 'stdio', isConsole: true, sink, source },
    { name: 'stderr', isConsole: false },
  ]
  const second = new MmioDriver(virtioConsole({ ports }), driver.guarded)
  second.transport.restore(state)
  second.settle()
  t.is(sink.takeText(), 'efgh')
  t.is(driver.queue(TX0).takeUsed().length, 1)
  source.push(bytesOf('hi'))
  t.deepEqual(driver.queue(RX0).takeUsed(), [{ id: 0, length: 2 }])
  t.is(device.features, VIRTIO_CONSOLE_F_MULTIPORT)
})

test('a reset in the middle of output forgets how far it was', (t) => {
  const { driver, sink } = create({ sink: createBufferSink({ capacity: 4 }) })
  driver.queue(TX0).post(driver.put(DATA, 'abcdef'))
  driver.kick(TX0)
  driver.start({ features: ALL_RING_FEATURES })
  t.is(sink.takeText(), 'abcd')
  driver.queue(TX0).post(driver.put(DATA, '1234'))
  driver.kick(TX0)
  t.is(sink.takeText(), '1234')
})
