import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { frameReader, frames, STREAM } from '../../src/control/frames.ts'
import { Attachments, type ProgramInput } from '../../src/holder/attachments.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

interface Watcher {
  /** The client's end. */
  readonly socket: Socket
  /** The holder's end. */
  readonly held: Socket
  readonly seen: { stream: number; text: string }[]
  readonly output: () => string
  readonly ended: Promise<void>
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2)
}

/** Connections to be handed to Attachments. */
async function hall(t: ExecutionContext) {
  const path = join(temporaryDirectory(t), 'socket')
  const arrivals: ((socket: Socket) => void)[] = []
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => {})
    arrivals.shift()!(socket)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.teardown(() => server.close())
  return async (reads = true): Promise<Watcher> => {
    const arrived = new Promise<Socket>((resolve) => arrivals.push(resolve))
    const socket = connect(path)
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    const seen: Watcher['seen'] = []
    if (reads)
      socket.on(
        'data',
        frameReader((stream, payload) => seen.push({ stream, text: payload.toString() })),
      )
    const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()))
    const output = () =>
      seen
        .filter(({ stream }) => stream === STREAM.stdout)
        .map(({ text }) => text)
        .join('')
    return { socket, held: await arrived, seen, output, ended }
  }
}

function fakeInput() {
  let text = ''
  let ended = false
  let full = false
  const listeners: (() => void)[] = []
  const input: ProgramInput = {
    write(bytes) {
      text += bytes
      return !full
    },
    onDrain: (listener) => void listeners.push(listener),
    end() {
      ended = true
    },
  }
  return {
    input,
    text: () => text,
    ended: () => ended,
    fill: () => {
      full = true
    },
    drain() {
      full = false
      for (const listener of listeners.splice(0)) listener()
    },
    waiting: () => listeners.length,
  }
}

test('everybody gets the output from now on, and how it ended', async (t) => {
  const enter = await hall(t)
  const attachments = new Attachments(undefined)
  attachments.output('stdout', Buffer.from('before'))
  const both = [await enter(), await enter()]
  for (const { held } of both) attachments.add(held, false)
  attachments.output('stdout', Buffer.from('one'))
  attachments.output('stderr', Buffer.from('two'))
  attachments.end({ exitCode: 7 })
  for (const { seen, ended } of both) {
    await ended
    t.deepEqual(seen, [
      { stream: STREAM.stdout, text: 'one' },
      { stream: STREAM.stderr, text: 'two' },
      { stream: STREAM.end, text: '{"result":{"exitCode":7}}' },
    ])
  }
})

test('one who comes when it has just ended hears how, too', async (t) => {
  const enter = await hall(t)
  const attachments = new Attachments(undefined)
  attachments.end({ exitCode: 7 })
  const late = await enter()
  attachments.add(late.held, true)
  await late.ended
  t.deepEqual(late.seen, [{ stream: STREAM.end, text: '{"result":{"exitCode":7}}' }])
})

test('one who does not read is let go, and told so when it reads again; the others miss nothing and wait for nobody', async (t) => {
  const enter = await hall(t)
  const attachments = new Attachments(undefined)
  const [slow, quick] = [await enter(false), await enter()]
  attachments.add(slow.held, false)
  attachments.add(quick.held, false)
  const size = 64 * 1024
  let sent = ''
  for (let at = 0; at < 96; at++) {
    const chunk = String.fromCharCode(97 + (at % 26)).repeat(size)
    attachments.output('stdout', Buffer.from(chunk))
    sent += chunk
    await until(() => quick.output().length === sent.length)
  }
  t.true(slow.held.writableLength < 2 ** 20)
  attachments.output('stdout', Buffer.from('still here'))
  await until(() => quick.output().endsWith('still here'))
  slow.socket.on(
    'data',
    frameReader((stream, payload) => slow.seen.push({ stream, text: payload.toString() })),
  )
  await slow.ended
  t.true(sent.startsWith(slow.output()), 'what it got has no gap')
  t.deepEqual(slow.seen.at(-1), { stream: STREAM.end, text: '{"error":"its output was not read fast enough"}' })
})

test('one who is behind when it ends still gets all of it, and how it ended', async (t) => {
  const enter = await hall(t)
  const attachments = new Attachments(undefined)
  const slow = await enter(false)
  attachments.add(slow.held, false)
  const text = 'x'.repeat(3 * 2 ** 20)
  for (let at = 0; at < text.length; at += 2 ** 16)
    attachments.output('stdout', Buffer.from(text.slice(at, at + 2 ** 16)))
  attachments.end({ exitCode: 7 })
  slow.socket.on(
    'data',
    frameReader((stream, payload) => slow.seen.push({ stream, text: payload.toString() })),
  )
  await slow.ended
  t.is(slow.output().length, text.length)
  t.deepEqual(slow.seen.at(-1), { stream: STREAM.end, text: '{"result":{"exitCode":7}}' })
})

test('input goes to the program frame by frame, and an empty frame ends it', async (t) => {
  const enter = await hall(t)
  const { input, text, ended } = fakeInput()
  const attachments = new Attachments(input)
  const one = await enter()
  attachments.add(one.held, true)
  one.socket.write(Buffer.concat([frames(STREAM.stdin, Buffer.from('hel')), frames(STREAM.stdin, Buffer.from('lo'))]))
  await until(() => text() === 'hello')
  t.false(ended())
  one.socket.write(frames(STREAM.stdin, Buffer.alloc(0)))
  await until(ended)
  t.pass()
})

test('input of one who only watches, and of one who leaves, is not the end of input', async (t) => {
  const enter = await hall(t)
  const { input, text, ended } = fakeInput()
  const attachments = new Attachments(input)
  const [watcher, leaver] = [await enter(), await enter()]
  attachments.add(watcher.held, false)
  attachments.add(leaver.held, true)
  watcher.socket.write(frames(STREAM.stdin, Buffer.from('nothing')))
  watcher.socket.write(frames(STREAM.stdin, Buffer.alloc(0)))
  watcher.socket.write(frames(STREAM.stdout, Buffer.from('of mine')))
  leaver.socket.write(frames(STREAM.stdin, Buffer.from('bye')))
  await until(() => text() === 'bye')
  leaver.socket.destroy()
  await until(() => leaver.held.destroyed)
  attachments.output('stdout', Buffer.from('on'))
  await until(() => watcher.output() === 'on')
  t.is(text(), 'bye')
  t.false(ended())
})

test('a program that does not read holds back those who write to it, and they go on when it does', async (t) => {
  const enter = await hall(t)
  const { input, text, fill, drain, waiting } = fakeInput()
  const attachments = new Attachments(input)
  const one = await enter()
  attachments.add(one.held, true)
  fill()
  const letter = frames(STREAM.stdin, Buffer.alloc(60_000, 'a'))
  for (let sent = 0; sent < 100; sent++) one.socket.write(letter)
  await until(() => one.held.isPaused())
  await sleep(20)
  t.true(text().length < 100 * 60_000)
  t.true(waiting() > 0)
  drain()
  await until(() => text().length === 100 * 60_000)
  t.pass()
})

test('a frame above the maximum ends its connection, with the reason, and no other', async (t) => {
  const enter = await hall(t)
  const { input } = fakeInput()
  const attachments = new Attachments(input)
  const [bad, good] = [await enter(), await enter()]
  for (const { held } of [bad, good]) attachments.add(held, true)
  bad.socket.write(Buffer.alloc(64, 0xff))
  await bad.ended
  t.is(bad.seen.at(-1)?.text, '{"error":"its input came with a frame of 4294967295 bytes"}')
  attachments.output('stdout', Buffer.from('on'))
  await until(() => good.output() === 'on')
  t.pass()
})
