import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { REQUEST_MAX } from '../../src/control/protocol.ts'
import { type Operations, serveControl } from '../../src/control/server.ts'
import { UsageError } from '../../src/errors.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

/** Answers `wait` when told to, `resume` never, and everything else with its verb. */
async function served(t: ExecutionContext, changes: Partial<Operations> = {}, directory = temporaryDirectory(t)) {
  let finish: (result: object) => void = () => {}
  const finished = new Promise<object>((resolve) => {
    finish = resolve
  })
  const asked: string[] = []
  const server = await serveControl(directory, {
    async answer(request) {
      asked.push(request.verb)
      if (request.verb === 'pause')
        throw new UsageError('Cannot pause "web": it is paused already.', { hint: 'Resume it.' })
      if (request.verb === 'resume') return await new Promise(() => {})
      return request.verb === 'wait' ? { result: await finished } : { did: request.verb }
    },
    stream: async () => {
      throw new UsageError('Cannot attach.')
    },
    ...changes,
  })
  t.teardown(() => server.close())
  return { server, finish, asked, directory, path: join(directory, 'control.sock') }
}

interface Peer {
  readonly socket: Socket
  /** All that came, once the other side has closed. */
  readonly closed: Promise<string>
  readonly lines: (count: number) => Promise<string[]>
}

function peer(path: string, what?: string | Buffer): Peer {
  const socket = connect(path)
  let text = ''
  socket.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  socket.on('error', () => {})
  if (what !== undefined) socket.write(what)
  return {
    socket,
    closed: new Promise((resolve) => socket.on('close', () => resolve(text))),
    async lines(count) {
      while (text.split('\n').length <= count) await sleep(2)
      return text.trimEnd().split('\n')
    },
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2)
}

const STATS = '{"verb":"stats"}\n'
const STATS_ANSWER = '{"ok":true,"did":"stats"}'

async function stillAnswers(t: ExecutionContext, path: string): Promise<void> {
  const one = peer(path, STATS)
  t.deepEqual(await one.lines(1), [STATS_ANSWER])
  one.socket.destroy()
}

test.serial('requests that come together, or in pieces, are answered one by one in their order', async (t) => {
  const { path } = await served(t)
  const together = peer(path, `${STATS}{"verb":"pause"}\nnonsense\n${STATS}`)
  t.deepEqual(await together.lines(4), [
    STATS_ANSWER,
    '{"ok":false,"error":{"message":"Cannot pause \\"web\\": it is paused already.","hint":"Resume it."}}',
    '{"ok":false,"error":{"message":"Cannot read the request: it is not JSON."}}',
    STATS_ANSWER,
  ])
  together.socket.destroy()
  const pieces = peer(path)
  for (const letter of STATS) {
    pieces.socket.write(letter)
    await sleep(1)
  }
  t.deepEqual(await pieces.lines(1), [STATS_ANSWER])
  pieces.socket.destroy()
})

test.serial('a request after "wait" is answered after it', async (t) => {
  const { path, finish, asked } = await served(t)
  const one = peer(path, `{"verb":"wait"}\n${STATS}`)
  await until(() => asked.length > 0)
  t.deepEqual(asked, ['wait'])
  finish({ exitCode: 3 })
  t.deepEqual(await one.lines(2), ['{"ok":true,"result":{"exitCode":3}}', STATS_ANSWER])
  one.socket.destroy()
})

test.serial('garbage, half a line and a line without end cost their connection at most, not the server', async (t) => {
  const { path } = await served(t)
  const garbage = peer(path, Buffer.alloc(REQUEST_MAX, '\0\xff{"'))
  const half = peer(path, '{"verb":')
  const endless = peer(path, Buffer.alloc(10 * 2 ** 20, 'a'))
  t.is(await endless.closed, '')
  half.socket.destroy()
  garbage.socket.destroy()
  await stillAnswers(t, path)
})

test.serial('answers that are never read are not kept without bound: such a connection is closed', async (t) => {
  const { path, asked } = await served(t)
  const one = peer(path)
  one.socket.pause()
  const batch = STATS.repeat(100)
  let gone = false
  one.socket.on('close', () => {
    gone = true
  })
  for (let sent = 0; sent < 2000 && !gone; sent++) {
    one.socket.write(batch)
    await sleep(0)
  }
  // What the kernel keeps for a socket is not ours to bound.
  t.true(asked.length < 100_000)
  t.true(gone)
  await stillAnswers(t, path)
})

test.serial('peers that vanish, at once or while they wait, are no fault', async (t) => {
  const { path, finish, asked } = await served(t)
  const peers = ['', STATS, '{"verb":"wait"}\n', '{"verb":"resume"}\n'].map((what) => peer(path, what))
  await until(() => asked.length === 3)
  for (const { socket } of peers) socket.destroy()
  finish({ exitCode: 0 })
  await stillAnswers(t, path)
})

test.serial('more connections than are served are told so, and others go on', async (t) => {
  const { path } = await served(t)
  const peers = Array.from({ length: 64 }, () => peer(path, STATS))
  for (const one of peers) await one.lines(1)
  const late = peer(path, STATS)
  t.regex(await late.closed, /^\{"ok":false,"error":\{"message":"Cannot answer: 64 others are connected/)
  peers[0]!.socket.destroy()
  // The server may hear of the one that left a little later.
  const isAnswered = async (): Promise<boolean> => {
    const one = peer(path, STATS)
    const [line = ''] = await one.lines(1)
    one.socket.destroy()
    return line === STATS_ANSWER
  }
  while (!(await isAnswered())) await sleep(5)
  for (const { socket } of peers) socket.destroy()
})

test.serial(
  'closing lets out the answers of those who waited for the end, and waits for nobody who does not read',
  async (t) => {
    const { path, finish, asked, server, directory } = await served(t)
    const waiting = Array.from({ length: 10 }, () => peer(path, '{"verb":"wait"}\n'))
    const idle = peer(path, STATS)
    await idle.lines(1)
    const stuck = peer(path, '{"verb":"resume"}\n')
    await until(() => asked.length === 12)
    finish({ exitCode: 9 })
    await server.close()
    for (const { closed } of waiting) t.is(await closed, '{"ok":true,"result":{"exitCode":9}}\n')
    t.is(await idle.closed, `${STATS_ANSWER}\n`)
    t.is(await stuck.closed, '')
    t.false(existsSync(join(directory, 'control.sock')))
  },
)

test.serial('an attached connection gets the bytes that came with its request', async (t) => {
  let received = ''
  const { path } = await served(t, {
    stream: async () => (socket) => {
      socket.on('data', (bytes) => {
        received += bytes
        if (received === 'more and more') socket.end('bye')
      })
      socket.resume()
    },
  })
  const one = peer(path, '{"verb":"attach","input":true}\nmore ')
  await one.lines(1)
  one.socket.write('and more')
  t.is(await one.closed, '{"ok":true}\nbye')
})

test.serial('a directory name longer than a socket name may be is no obstacle', async (t) => {
  const directory = join(temporaryDirectory(t), ...Array.from({ length: 4 }, () => 'd'.repeat(60)))
  mkdirSync(directory, { recursive: true })
  const before = readdirSync('/proc/self/fd').length
  const { server } = await served(t, {}, directory)
  t.true(existsSync(join(directory, 'control.sock')))
  await server.close()
  t.is(readdirSync('/proc/self/fd').length, before)
})

const asRoot = process.geteuid?.() === 0 ? test.serial : test.serial.skip
asRoot('a process of another user is not answered, even where it can reach the socket', async (t) => {
  const { path, directory, asked } = await served(t)
  chmodSync(directory, 0o755)
  chmodSync(path, 0o666)
  const script = `
    const socket = require('node:net').connect(${JSON.stringify(path)}, () => socket.write('{"verb":"stats"}\\n'))
    socket.on('data', (bytes) => process.stdout.write('answered ' + bytes))
    socket.on('error', ({ code }) => process.stdout.write(code))
    socket.on('close', () => process.stdout.write(' closed'))`
  const ask = (uid: number) =>
    new Promise<string>((resolve, reject) => {
      const as = ['--reuid', String(uid), '--regid', String(uid), '--clear-groups']
      execFile('setpriv', [...as, process.execPath, '-e', script], { timeout: 10_000 }, (error, stdout) =>
        error && stdout === '' ? reject(error) : resolve(stdout),
      )
    })
  t.notRegex(await ask(65534), /answered|EACCES|ENOENT/)
  t.regex(await ask(65534), /closed/)
  t.deepEqual(asked, [])
})
