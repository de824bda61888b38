/** docs/agent-protocol.md, "Items" and START: what leaves the host, byte for byte, and what does not leave it. */
import test from 'ava'
import { encodeStart, startFailure } from '../../src/agent/agent-process.ts'
import { encodeConfig } from '../../src/agent/guest-config.ts'
import { FRAME_MAX, ITEM, STEP } from '../../src/agent/protocol.ts'
import { EXIT, GuestError, UsageError } from '../../src/errors.ts'

/** Kind and bytes of each item, in order. */
const itemsOf = (bytes: Buffer): [kind: number, content: string][] => {
  const items: [number, string][] = []
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at + 2)
    items.push([bytes.readUInt16LE(at), bytes.subarray(at + 6, at + 6 + length).toString('hex')])
    at += 6 + length
  }
  return items
}
const hex = (text: string) => Buffer.from(text, 'latin1').toString('hex')

test('the clock is seconds and nanoseconds', (t) => {
  t.deepEqual(itemsOf(encodeConfig({ clock: 5_000_000_007n })), [[ITEM.clock, '050000000000000007000000']])
})

test('a network is its interface, MAC, address, gateway and prefix', (t) => {
  const network = { mac: '02:0a:ff:00:00:01', address: '10.1.2.3', prefix: 24, gateway: '10.1.2.1' }
  t.deepEqual(itemsOf(encodeConfig({ network })), [
    [ITEM.network, `${hex('eth0\0')}020aff000001${'0a010203'}${'0a010201'}1800`],
  ])
})

test('without a gateway it is zeroes', (t) => {
  const network = { interface: 'net1', mac: '02:00:00:00:00:01', address: '10.0.0.2', prefix: 8 }
  t.deepEqual(itemsOf(encodeConfig({ network })), [
    [ITEM.network, `${hex('net1\0')}020000000001${'0a000002'}${'00000000'}0800`],
  ])
})

for (const [what, network] of Object.entries({
  'a MAC of five bytes': { mac: '02:00:00:00:01', address: '10.0.0.2', prefix: 8 },
  'an address above 255': { mac: '02:00:00:00:00:01', address: '10.0.0.256', prefix: 8 },
  'an address of words': { mac: '02:00:00:00:00:01', address: 'a.b.c.d.', prefix: 8 },
})) {
  test(`${what} does not leave`, (t) => {
    t.throws(() => encodeConfig({ network }), { instanceOf: UsageError, message: /is no address/ })
  })
}

test('who a guest is comes before what it has: a program never starts with the random numbers of another', (t) => {
  const config = {
    files: [{ path: '/etc/hosts', text: 'x' }],
    root: { bytes: 4096 },
    hostname: 'h',
    entropy: new Uint8Array(32),
    clock: 1n,
  }
  t.deepEqual(
    itemsOf(encodeConfig(config)).map(([kind]) => kind),
    [ITEM.clock, ITEM.entropy, ITEM.hostname, ITEM.root, ITEM.file],
  )
})

test('more than a frame holds does not leave', (t) => {
  const files = [{ path: '/big', text: 'x'.repeat(FRAME_MAX) }]
  t.throws(() => encodeConfig({ files }), { instanceOf: UsageError, message: /65536 at most/ })
})

const program = { argv: ['prog', 'a'], env: ['K=V'], cwd: '/d', interactive: true }

test('a START is flags, size, windows, user, counts and texts', (t) => {
  const start = encodeStart(
    { ...program, main: true, tty: { cols: 80, rows: 24 }, user: { uid: 1, gid: 2, groups: [3] } },
    9,
  )
  t.is(
    start.toString('hex'),
    `0b00${'5000'}${'1800'}${'09000000'.repeat(2)}${'01000000'}${'02000000'}${'0100'}${'03000000'}${'0200'}${'0100'}` +
      hex('/d\0\0prog\0a\0K=V\0'),
  )
})

const failures: [what: string, error: number, step: number, exitCode: number, words: RegExp][] = [
  ['a file that is not there', 2, STEP.execute, EXIT.notFound, /there is no such file in its root/],
  ['a part of the path that is a file', 20, STEP.execute, EXIT.notFound, /there is no such file in its root/],
  ['a file that may not be executed', 13, STEP.execute, EXIT.notExecutable, /it may not be executed/],
  ['a file that is no program', 8, STEP.execute, EXIT.notExecutable, /it is not an executable program/],
  ['arguments that are too long', 7, STEP.execute, EXIT.notExecutable, /too long/],
  ['anything else that execve says', 12, STEP.execute, EXIT.notExecutable, /refused it with ENOMEM/],
  ['a working directory that is not there', 2, STEP.directory, EXIT.cloisterFailed, /cannot be \/d: there is none/],
  ['a user that cannot be', 1, STEP.user, EXIT.cloisterFailed, /it cannot be user/],
  ['a guest that is ending', 108, STEP.state, EXIT.cloisterFailed, /the instance is ending/],
]
for (const [what, error, step, exitCode, words] of failures) {
  test(`${what} is told as a shell does, with ${exitCode}`, (t) => {
    const failure = startFailure(program, { error, step, pid: 0 })
    t.true(failure instanceof UsageError)
    t.is(failure?.exitCode, exitCode)
    t.regex(failure?.message ?? '', words)
  })
}

test('what the guest itself could not do is its fault', (t) => {
  t.true(startFailure(program, { error: 24, step: STEP.resources, pid: 0 }) instanceof GuestError)
  t.true(startFailure(program, { error: 99_999, step: STEP.terminal, pid: 0 }) instanceof GuestError)
  t.is(startFailure(program, { error: 0, step: 0, pid: 7 }), undefined)
})
