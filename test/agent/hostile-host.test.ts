/** Whatever a host sends instead of the client's frames: the agent drops the connection, serves the next, and lives. */
import type { Socket } from 'node:net'
import test from 'ava'
import fc from 'fast-check'
import { encodeStart } from '../../src/agent/agent-process.ts'
import { agentClient } from '../../src/agent/client.ts'
import { encodeConfig } from '../../src/agent/guest-config.ts'
import { FRAME, FRAME_MAX, OUTPUT_WINDOW_MAX, SESSION, START_MAX } from '../../src/agent/protocol.ts'
import { frame, PayloadWriter } from '../../src/agent/wire.ts'
import { type AgentUnderTest, buildAgent, withAgent } from '../helpers/agent-process.ts'

buildAgent()

const TRUE = { program: '/bin/busybox', argv: ['true'], env: ['A=b'], cwd: '/', interactive: true }
const CAT = { ...TRUE, argv: ['cat'] }

/** Whether it still does what it should, for a host that keeps to the protocol. */
async function serves(agent: AgentUnderTest): Promise<void> {
  const client = agentClient(await agent.transport())
  if ((await client.hello()).held) await client.release({})
  await client.configure({})
  const session = await client.start(TRUE)
  session.stdout.resume()
  session.stderr.resume()
  await session.wait()
  client.close()
}

const write = (socket: Socket, bytes: Uint8Array) =>
  new Promise<void>((resolve) => {
    socket.write(bytes, () => resolve())
  })

/** The agent ends it; what it still says is thrown away. */
async function ended(socket: Socket): Promise<void> {
  socket.on('error', () => undefined).resume()
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
}

const refused = (title: string, ...frames: Uint8Array[]) =>
  test(title, (t) =>
    withAgent(t, async (agent) => {
      const socket = await agent.connect()
      const gone = ended(socket)
      await write(socket, Buffer.concat(frames))
      await gone
      await serves(agent)
      t.regex(agent.said(), /a frame that cannot be/)
    }),
  )

const configured = frame(FRAME.configure, 0, encodeConfig({}))
const item = (kind: number, length: number, bytes: Uint8Array = new Uint8Array()) =>
  frame(FRAME.configure, 0, new PayloadWriter().u16(kind).u32(length).bytes(bytes).end())
const long = (type: number, length: number) => {
  const header = frame(type, 0)
  header.writeUInt32LE(length, 0)
  return header
}
const number = (type: number, value: number) => frame(type, 1, new PayloadWriter().u32(value).end())
const cat = frame(FRAME.start, 1, encodeStart(CAT, 1000))

refused('a frame above the maximum', long(FRAME.stdin, FRAME_MAX + 1))
refused('a frame of four gigabytes', long(FRAME.stdin, 0xffffffff))
refused('a START above its maximum', long(FRAME.start, START_MAX + 1))
refused('a type that does not exist', frame(999, 0))
refused('a frame of the agent itself', frame(FRAME.hello, 0))
refused('a frame for the guest with a session', frame(FRAME.hold, 1))
refused('a frame for a session without one', frame(FRAME.signal, 0, Buffer.alloc(4)))
refused('an item that does not exist', item(99, 0))
refused('an item longer than its frame', item(3, 1000, Buffer.from('host\0')))
refused('an item shorter than what it says', item(3, 3, Buffer.from('host\0')))
refused('entropy beyond the maximum', item(2, 513, Buffer.alloc(513)))
refused('no entropy at all', item(2, 0))
refused('a START that is cut off', configured, frame(FRAME.start, 1, encodeStart(TRUE, 0).subarray(0, -1)))
refused(
  'a START with more than it says',
  configured,
  frame(FRAME.start, 1, Buffer.concat([encodeStart(TRUE, 0), Buffer.from('x\0')])),
)
refused(
  'a START with unknown flags',
  configured,
  frame(FRAME.start, 1, Buffer.concat([Buffer.from([0, 1]), encodeStart(TRUE, 0).subarray(2)])),
)
refused(
  'a START whose window is too large',
  configured,
  frame(FRAME.start, 1, encodeStart(TRUE, OUTPUT_WINDOW_MAX + 1)),
)
refused('a START for a session that runs', configured, cat, cat)
// A program that stands still takes as much as its pipe holds: one that runs may have taken all of it by the last frame.
refused(
  'standard input beyond its window',
  configured,
  cat,
  number(FRAME.signal, 19),
  frame(FRAME.stdin, 1, Buffer.alloc(FRAME_MAX)),
  frame(FRAME.stdin, 1, Buffer.alloc(FRAME_MAX)),
  frame(FRAME.stdin, 1, Buffer.alloc(FRAME_MAX)),
  frame(FRAME.stdin, 1, Buffer.alloc(FRAME_MAX)),
)
refused(
  'standard input after its end',
  configured,
  cat,
  number(FRAME.signal, 19),
  frame(FRAME.stdinEof, 1),
  frame(FRAME.stdin, 1, Buffer.from('x')),
)
refused('credit beyond the maximum', configured, cat, number(FRAME.stdoutCredit, OUTPUT_WINDOW_MAX))
refused('credit that would wrap', configured, cat, number(FRAME.stdoutCredit, 0xffffffff))
refused('signal 0', configured, cat, number(FRAME.signal, 0))
refused('signal 65', configured, cat, number(FRAME.signal, 65))
refused('a configuration of what is held', frame(FRAME.hold, 0), configured)

test('frames for a session that has ended are late, and no fault', (t) =>
  withAgent(t, async (agent) => {
    const client = agentClient(await agent.transport())
    await client.configure({})
    const session = await client.start(TRUE)
    session.signal(15)
    session.stdin.write('late')
    session.abandon()
    session.stdout.resume()
    session.stderr.resume()
    await session.wait()
    t.is((await client.hello()).held, false)
    await client.configure({})
  }))

test('arbitrary bytes never break it', (t) =>
  withAgent(t, async (agent) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 }), async (slices) => {
        const socket = await agent.connect()
        const gone = ended(socket)
        for (const slice of slices) await write(socket, slice)
        socket.end()
        await gone
      }),
      { numRuns: 150 },
    )
    await serves(agent)
    t.pass()
  }))

/** Any number of the frame, or its length, is another one; the program stays a harmless one. */
const twisted = fc
  .tuple(fc.nat({ max: 27 }), fc.nat({ max: 255 }), fc.integer({ min: -4, max: 4 }))
  .map(([at, value, more]) => {
    const payload = Buffer.concat([encodeStart(TRUE, 4096), Buffer.alloc(4)])
    // The end of a main program is that of the agent's work.
    payload[at] = at === 0 ? value & ~SESSION.main : value
    return frame(FRAME.start, 1 + (value % 3), payload.subarray(0, payload.length - 4 + more))
  })
const small = fc.tuple(
  fc.constantFrom(...Object.values(FRAME).filter((type) => type !== FRAME.start && type !== FRAME.shutdown)),
  fc.integer({ min: 0, max: 3 }),
  fc.uint8Array({ maxLength: 24 }),
)
const likely = fc.oneof(
  small.map(([type, session, payload]) => frame(type, session, payload)),
  twisted,
  fc.constantFrom(
    configured,
    frame(FRAME.start, 2, encodeStart(CAT, 100)),
    frame(FRAME.start, 3, encodeStart({ ...CAT, tty: { cols: 1, rows: 1 } }, 100)),
    frame(FRAME.stdin, 2, Buffer.from('some\n')),
    frame(FRAME.stdin, 3, Buffer.from('some\n')),
    frame(FRAME.stdinEof, 2),
    frame(FRAME.abandon, 3),
    frame(FRAME.hold, 0),
    frame(FRAME.release, 0),
    frame(FRAME.attach, 2, Buffer.alloc(8)),
    frame(FRAME.resize, 3, Buffer.alloc(4)),
  ),
)

test('frames in any order with any contents never break it', (t) =>
  withAgent(t, async (agent) => {
    await fc.assert(
      fc.asyncProperty(fc.array(likely, { maxLength: 25 }), fc.boolean(), async (frames, held) => {
        const socket = await agent.connect()
        const gone = ended(socket)
        await write(socket, Buffer.concat(held ? frames : [configured, ...frames]))
        socket.end()
        await gone
      }),
      { numRuns: 150 },
    )
    await serves(agent)
    t.pass()
  }))

test('a host that reads nothing stops its own programs only for as long as it is there', (t) =>
  withAgent(t, async (agent) => {
    const socket = await agent.connect()
    socket.pause()
    const loud = { ...TRUE, argv: ['yes'] }
    await write(socket, Buffer.concat([configured, frame(FRAME.start, 1, encodeStart(loud, OUTPUT_WINDOW_MAX))]))
    const flood = Buffer.concat(Array.from({ length: 20_000 }, () => frame(FRAME.attach, 9, Buffer.alloc(8))))
    socket.write(flood)
    await new Promise((resolve) => setTimeout(resolve, 100))
    socket.destroy()
    await serves(agent)
    t.pass()
  }))
