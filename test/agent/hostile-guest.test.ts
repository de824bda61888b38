/** Whatever a guest sends instead of its agent's frames: the client fails with a reason, throws nothing, keeps little. */
import test from 'ava'
import fc from 'fast-check'
import { type Agent, type AgentOptions, agentClient } from '../../src/agent/client.ts'
import { OUTPUT_WINDOW } from '../../src/agent/output-stream.ts'
import { FRAME, FRAME_MAX, HEADER_SIZE, PROTOCOL_VERSION, STDIN_WINDOW } from '../../src/agent/protocol.ts'
import type { AgentSession } from '../../src/agent/session.ts'
import type { AgentTransport } from '../../src/agent/transport.ts'
import { frame, PayloadWriter } from '../../src/agent/wire.ts'
import { type CloisterError, GuestError } from '../../src/errors.ts'

interface Guest {
  readonly client: Agent
  says(...frames: Uint8Array[]): void
  /** Frames of the host so far. */
  heard(): { type: number; session: number }[]
  readonly lost: Promise<CloisterError>
  isLost(): boolean
  destroyed(): boolean
}

/** @param ends whether it ends its connection when the host has ended its own */
function guest(options: AgentOptions = {}, ends = true): Guest {
  let data: (bytes: Uint8Array) => void = () => undefined
  let closed: (reason?: Error) => void = () => undefined
  let destroyed = false
  const sent: Buffer[] = []
  const transport: AgentTransport = {
    send: (bytes) => void sent.push(Buffer.from(bytes)),
    onData(listener) {
      data = listener
    },
    onClosed(listener) {
      closed = listener
    },
    end: () => ends && closed(),
    destroy() {
      destroyed = true
      closed()
    },
  }
  const client = agentClient(transport, options)
  let isLost = false
  const lost = new Promise<CloisterError>((resolve) =>
    client.onLost((reason) => {
      isLost = true
      resolve(reason)
    }),
  )
  return {
    client,
    says: (...frames) => data(Buffer.concat(frames)),
    heard() {
      const bytes = Buffer.concat(sent)
      const frames: { type: number; session: number }[] = []
      for (let at = 0; at < bytes.length; at += HEADER_SIZE + bytes.readUInt32LE(at)) {
        frames.push({ type: bytes.readUInt16LE(at + 4), session: bytes.readUInt16LE(at + 6) })
      }
      return frames
    },
    lost,
    isLost: () => isLost,
    destroyed: () => destroyed,
  }
}

const hello = (version = PROTOCOL_VERSION) =>
  frame(FRAME.hello, 0, new PayloadWriter().u16(version).u16(0).u16(0).text('6.1').text('').end())
const started = (session: number, pid = 77) =>
  frame(FRAME.started, session, new PayloadWriter().u32(0).u16(0).u32(pid).end())
const number = (type: number, session: number, value: number) =>
  frame(type, session, new PayloadWriter().u32(value).end())
const exit = (session: number, code: number, signal = 0) =>
  frame(FRAME.exit, session, new PayloadWriter().u32(code).u32(signal).u32(0).end())

const program = { argv: ['/bin/true'], env: [], cwd: '/', interactive: true }

/** A session that runs, in a guest that was all right so far. */
async function running(options: AgentOptions = {}): Promise<{ guest: Guest; session: AgentSession }> {
  const it = guest(options)
  const starting = it.client.start(program)
  it.says(hello(), started(1))
  return { guest: it, session: await starting }
}

/** Cuts at the given places, in any order, some of them perhaps beyond the end. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.map((at) => at % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return sorted.slice(1).map((end, at) => bytes.subarray(sorted[at], end))
}

test('however its frames are sliced, a session comes out the same', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(), { maxLength: 30 }), async (places) => {
      const it = guest()
      const starting = it.client.start(program)
      const all = [hello(), started(1), frame(FRAME.stdout, 1, Buffer.from('some')), frame(FRAME.stdout, 1), exit(1, 3)]
      for (const slice of cut(Buffer.concat(all), places)) it.says(slice)
      const session = await starting
      t.is((await session.wait()).exitCode, 3)
      t.is(String(session.stdout.read()), 'some')
      it.client.close()
    }),
    { numRuns: 200 },
  )
})

test('arbitrary bytes end the connection or wait for more, and throw nothing', (t) => {
  fc.assert(
    fc.property(fc.boolean(), fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 12 }), (polite, slices) => {
      const it = guest()
      if (polite) it.says(hello())
      for (const slice of slices) it.says(slice)
      t.is(it.isLost(), it.destroyed())
      it.client.close()
    }),
    { numRuns: 2000 },
  )
})

test('well-formed frames with arbitrary contents do no more than that either', async (t) => {
  const type = fc.constantFrom(...Object.values(FRAME), 0, 11, 999)
  const made = fc.tuple(type, fc.integer({ min: 0, max: 3 }), fc.uint8Array({ maxLength: 40 }))
  await fc.assert(
    fc.asyncProperty(fc.array(made, { maxLength: 12 }), async (frames) => {
      const { guest: it, session } = await running()
      const second = it.client.start(program)
      second.catch(() => undefined)
      for (const [kind, id, payload] of frames) it.says(frame(kind, id, payload))
      t.true(session.stdout.readableLength + session.stderr.readableLength <= 2 * OUTPUT_WINDOW)
      if (it.isLost()) {
        t.true((await it.lost) instanceof GuestError)
        // It had ended before, or was lost with the connection.
        await session.wait().catch((error) => t.true(error instanceof GuestError))
      }
      it.client.close()
    }),
    { numRuns: 500 },
  )
})

const breaks = (title: string, says: (guest: Guest) => void, reason: RegExp) =>
  test(title, async (t) => {
    const { guest: it, session } = await running()
    says(it)
    const error = await it.lost
    t.true(error instanceof GuestError)
    t.regex(error.message, /^Lost the agent in a guest: it broke the protocol, with /)
    t.regex(error.message, reason)
    t.true(it.destroyed())
    await t.throwsAsync(session.wait(), { is: error })
    await t.throwsAsync(it.client.configure({}), { is: error })
    t.notThrows(() => session.signal(15))
    t.notThrows(() => session.stdin.write('to nobody'))
  })

breaks(
  'a frame above the maximum is refused by its header',
  (it) => {
    const header = frame(FRAME.stdout, 1)
    header.writeUInt32LE(FRAME_MAX + 1, 0)
    it.says(header)
  },
  /a frame of 65537 bytes/,
)
breaks('a second greeting is refused', (it) => it.says(hello()), /type 1 that nobody asked for/)
breaks('an answer that nobody waits for is refused', (it) => it.says(number(FRAME.held, 0, 0)), /nobody waits for/)
breaks('a frame for a session that is not there is refused', (it) => it.says(frame(FRAME.stdout, 2)), /session 2/)
breaks('a second STARTED is refused', (it) => it.says(started(1)), /type 3/)
breaks(
  'more output than was granted is refused',
  (it) => {
    const part = Buffer.alloc(FRAME_MAX)
    for (let sent = 0; sent < OUTPUT_WINDOW; sent += part.length) it.says(frame(FRAME.stdout, 1, part))
    it.says(frame(FRAME.stdout, 1, Buffer.alloc(1)))
  },
  /1 bytes of output more than it was granted/,
)
breaks(
  'more credit than standard input took is refused',
  (it) => it.says(number(FRAME.stdinCredit, 1, STDIN_WINDOW)),
  /more credit for standard input/,
)
breaks('an exit status that cannot be is refused', (it) => it.says(exit(1, 256)), /exit status 256/)
breaks('a signal that cannot be is refused', (it) => it.says(exit(1, 0, 65)), /signal 65/)
breaks('a frame that is too short is refused', (it) => it.says(frame(FRAME.exit, 1, Buffer.alloc(11))), /too short/)
breaks(
  'a frame that is too long is refused',
  (it) => it.says(frame(FRAME.exit, 1, Buffer.alloc(13))),
  /1 bytes too many/,
)
test('output after EXIT is refused', async (t) => {
  const { guest: it, session } = await running()
  it.says(exit(1, 4), frame(FRAME.stdout, 1))
  t.regex((await it.lost).message, /type 4 for session 1, which is not there/)
  t.is((await session.wait()).exitCode, 4)
})

test('another version is refused, with a hint', async (t) => {
  const it = guest()
  it.says(hello(PROTOCOL_VERSION + 1))
  const error = await t.throwsAsync(it.client.hello(), { instanceOf: GuestError, message: /it speaks version 2/ })
  t.regex((error as GuestError).hint ?? '', /snapshot of another version/)
})

test('whatever comes before the greeting is refused', async (t) => {
  const it = guest()
  it.says(frame(FRAME.held, 0, Buffer.alloc(4)))
  await t.throwsAsync(it.client.hello(), { message: /instead of a greeting/ })
})

test('a greeting with more sessions than there can be is refused', async (t) => {
  const it = guest()
  it.says(
    frame(FRAME.hello, 0, new PayloadWriter().u16(PROTOCOL_VERSION).u16(0).u16(65).bytes(Buffer.alloc(999)).end()),
  )
  await t.throwsAsync(it.client.hello(), { message: /65 sessions/ })
})

test('a guest that is silent is given up, with the question that it left open', async (t) => {
  const it = guest({ answerMs: 30 })
  await t.throwsAsync(it.client.hello(), { instanceOf: GuestError, message: /did not answer in 0.03 s/ })
  const { guest: other, session } = await running({ answerMs: 30 })
  await t.throwsAsync(other.client.shutdown(), { message: /it was asked to shut down/ })
  await t.throwsAsync(session.wait(), { instanceOf: GuestError })
})

test('an answer to a start that is none fails that start with the connection', async (t) => {
  const it = guest()
  const starting = it.client.start(program)
  it.says(hello(), frame(FRAME.started, 1, Buffer.alloc(9)))
  await t.throwsAsync(starting, { instanceOf: GuestError, message: /broke the protocol/ })
})

test('one that starts a program too late is told to end it, and what that says is of no consequence', async (t) => {
  const { guest: it, session } = await running({ answerMs: 30 })
  await t.throwsAsync(it.client.start(program), { instanceOf: GuestError, message: /it was asked to run/ })
  t.false(it.isLost())
  // Its number is not anybody else's before its end.
  const third = it.client.start(program)
  it.says(started(3))
  t.is((await third).id, 3)
  it.says(started(2), frame(FRAME.stdout, 2, Buffer.alloc(OUTPUT_WINDOW / 2)), frame(FRAME.stderr, 2))
  await Promise.resolve()
  t.true(it.heard().some((one) => one.type === FRAME.abandon && one.session === 2))
  it.says(frame(FRAME.stdout, 2, Buffer.alloc(OUTPUT_WINDOW / 2)), exit(2, 0), exit(1, 4))
  t.is((await session.wait()).exitCode, 4)
  t.false(it.isLost())
  it.says(frame(FRAME.stdout, 2))
  t.regex((await it.lost).message, /session 2, which is not there/)
})

test('a guest that breaks the protocol instead of ending its connection is given up at once', async (t) => {
  const it = guest({}, false)
  it.says(hello())
  const detached = it.client.detach()
  it.says(frame(999, 0))
  await t.throwsAsync(detached, { instanceOf: GuestError, message: /broke the protocol/ })
  t.true(it.isLost())
})

test('a paused guest is waited for', async (t) => {
  let paused = true
  let looks = 0
  const it = guest({
    answerMs: 5,
    isPaused: () => {
      looks++
      return paused
    },
  })
  const greeting = it.client.hello()
  while (looks < 3) await new Promise((resolve) => setTimeout(resolve, 5))
  t.false(it.isLost())
  paused = false
  await t.throwsAsync(greeting, { message: /did not answer/ })
})

test('a failed step is told in words that are safe to print', async (t) => {
  const it = guest()
  const configured = it.client.configure({ hostname: 'x' })
  it.says(hello(), frame(FRAME.configured, 0, new PayloadWriter().u32(22).text('the \x1b[31mhost name').end()))
  await t.throwsAsync(configured, { message: 'Cannot set up the guest: the ?[31mhost name failed with EINVAL.' })
})

test('output that is read makes room for as much', async (t) => {
  const { guest: it, session } = await running()
  let seen = 0
  session.stdout.on('data', (part) => {
    seen += part.length
  })
  const part = Buffer.alloc(FRAME_MAX)
  for (let round = 0; round < 20; round++) {
    it.says(frame(FRAME.stdout, 1, part))
    await new Promise(setImmediate)
  }
  t.is(seen, 20 * FRAME_MAX)
  t.true(it.heard().some(({ type }) => type === FRAME.stdoutCredit))
})

test('what is read slowly is granted little by little, and never more than the window waits', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 70_000 }), { maxLength: 30 }), async (reads) => {
      const { guest: it, session } = await running()
      let granted = OUTPUT_WINDOW
      let sent = 0
      let counted = 0
      const fill = () => {
        const credits = it.heard().filter(({ type }) => type === FRAME.stdoutCredit).length
        // The sizes of grants are the client's; what counts is that it never runs dry for good.
        if (credits > counted) {
          counted = credits
          granted = sent + OUTPUT_WINDOW - session.stdout.readableLength
        }
        while (sent < granted) {
          const part = Math.min(FRAME_MAX, granted - sent)
          it.says(frame(FRAME.stdout, 1, Buffer.alloc(part)))
          sent += part
        }
      }
      let seen = 0
      for (const size of reads) {
        fill()
        t.true(session.stdout.readableLength <= OUTPUT_WINDOW)
        seen += session.stdout.read(Math.min(size, session.stdout.readableLength))?.length ?? 0
        await new Promise(setImmediate)
      }
      t.false(it.isLost())
      t.true(seen > 0 || reads.length === 0)
      it.client.close()
    }),
    { numRuns: 30 },
  )
})

test('a text with a zero byte does not leave', async (t) => {
  const it = guest()
  it.says(hello())
  await t.throwsAsync(it.client.start({ ...program, argv: ['/bin/true', 'a\0b'] }), { message: /zero byte/ })
  t.throws(() => it.client.configure({ hostname: 'a\0b' }), { message: /zero byte/ })
  t.is(it.heard().length, 0)
})
