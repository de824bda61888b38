import test from 'ava'
import fc from 'fast-check'
import { ARGS, MESSAGE, MESSAGE_HEADER_SIZE, RELEASE, RELEASE_FLAG } from '../../src/unikernel/abi.ts'
import {
  argsMessage,
  createControlParser,
  holdMessage,
  releaseMessage,
  signalMessage,
  stdinEndMessage,
} from '../../src/unikernel/control-channel.ts'

const record = () => {
  const events: string[] = []
  const parser = createControlParser({
    onReady: () => void events.push('ready'),
    onStarted: () => void events.push('started'),
    onHeld: () => void events.push('held'),
    onLog: (line) => void events.push(`log ${line}`),
    onExit: ({ status, signal, reason }) => void events.push(`exit ${status} ${signal} ${reason}`),
    onViolation: (what) => void events.push(`violation ${what}`),
  })
  return { events, parser }
}

const frame = (type: number, payload: readonly number[]) => {
  const bytes = new Uint8Array(8 + payload.length)
  new DataView(bytes.buffer).setUint32(0, type, true)
  new DataView(bytes.buffer).setUint32(4, payload.length, true)
  bytes.set(payload, 8)
  return bytes
}

const words = (...values: number[]) => [...new Uint8Array(Uint32Array.from(values).buffer)]

const conversation = Buffer.concat([
  frame(MESSAGE.ready, []),
  frame(MESSAGE.log, [...Buffer.from('hello')]),
  frame(MESSAGE.started, []),
  frame(MESSAGE.exit, words(143, 15, 0)),
])

test('messages are understood however the guest slices them', (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(conversation.length), { maxLength: 10 }), (cuts) => {
      const { events, parser } = record()
      const edges = [0, ...cuts.sort((a, b) => a - b), conversation.length]
      for (let index = 1; index < edges.length; index++)
        parser.write(conversation.subarray(edges[index - 1], edges[index]))
      t.deepEqual(events, ['ready', 'log hello', 'started', 'exit 143 15 0'])
    }),
  )
})

test('an unknown message is skipped and the next one understood', (t) => {
  const { events, parser } = record()
  parser.write(Buffer.concat([frame(99, [1, 2, 3]), frame(MESSAGE.started, [])]))
  t.deepEqual(events, ['started'])
})

test('a message longer than any the guest has reason to send closes the channel', (t) => {
  const { events, parser } = record()
  const huge = frame(MESSAGE.log, [])
  new DataView(huge.buffer).setUint32(4, 0xffff_ffff, true)
  parser.write(huge)
  parser.write(frame(MESSAGE.started, []))
  t.deepEqual(events, ['violation a message of 4294967295 bytes'])
})

test('control characters of a guest never reach the terminal', (t) => {
  const { events, parser } = record()
  parser.write(frame(MESSAGE.log, [0x1b, 0x5b, 0x41]))
  t.deepEqual(events, ['log \ufffd[A'])
})

test('whatever a guest writes, the parser survives it', (t) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 20 }), (slices) => {
      const { parser } = record()
      for (const slice of slices) t.is(parser.write(slice), slice.length)
    }),
    { numRuns: 2000 },
  )
})

test('the argument block holds the counts, the flags and each string with its end', (t) => {
  const bytes = argsMessage({ path: '/bin/a', cwd: '/', argv: ['a', ''], env: ['K=V'], flags: ARGS.stdin })
  const view = new DataView(bytes.buffer)
  t.deepEqual(
    [0, 4, 8, 12, 16, 20].map((at) => view.getUint32(at, true)),
    [MESSAGE.args, bytes.length - 8, 2, 1, ARGS.stdin, 0],
  )
  t.is(Buffer.from(bytes.subarray(24)).toString(), '/bin/a\0/\0a\0\0K=V\0')
})

test('the end of stdin says how many bytes came before it', (t) => {
  const bytes = stdinEndMessage(2 ** 33)
  t.is(new DataView(bytes.buffer).getBigUint64(8, true), 2n ** 33n)
})

test('a signal travels as its Linux number', (t) => {
  t.deepEqual([...signalMessage(15)], [...frame(MESSAGE.signal, words(15))])
})

test('a hold says nothing but that, and its answer is understood', (t) => {
  t.deepEqual([...holdMessage()], [...words(MESSAGE.hold, 0)])
  const { events, parser } = record()
  parser.write(frame(MESSAGE.held, []))
  t.deepEqual(events, ['held'])
})

const released = (release: Partial<Parameters<typeof releaseMessage>[0]>) => {
  const message = releaseMessage({ entropy: new Uint8Array(32).fill(7), realtimeNs: 0n, ...release })
  const view = new DataView(message.buffer, MESSAGE_HEADER_SIZE)
  return { message, view, bytes: message.subarray(MESSAGE_HEADER_SIZE) }
}

test('a release carries random bytes, and a name and an address where there are some', (t) => {
  const address = {
    address: Uint8Array.of(10, 0, 0, 2),
    netmask: Uint8Array.of(255, 0, 0, 0),
    gateway: Uint8Array.of(10, 0, 0, 1),
  }
  const { message, view, bytes } = released({
    realtimeNs: 5n,
    hostname: 'copy',
    network: { mac: Uint8Array.of(2, 1, 2, 3, 4, 5), address },
  })
  t.is(message.length, MESSAGE_HEADER_SIZE + RELEASE.bytes)
  t.deepEqual([...bytes.subarray(0, 33)], [...new Array(32).fill(7), 5])
  t.is(view.getUint16(RELEASE.flags, true), RELEASE_FLAG.network)
  t.deepEqual([...bytes.subarray(RELEASE.address, RELEASE.address + 12)], [10, 0, 0, 2, 255, 0, 0, 0, 10, 0, 0, 1])
  t.is(Buffer.from(bytes.subarray(RELEASE.hostname)).toString().replaceAll('\0', ''), 'copy')
  t.is(released({}).view.getUint16(RELEASE.flags, true), 0)
})

test('a name that is too long is cut, and has its end', (t) => {
  const { bytes } = released({ hostname: 'n'.repeat(200) })
  t.is(bytes.length, RELEASE.bytes)
  t.is(bytes.at(-1), 0)
})
