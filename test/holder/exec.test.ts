import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { PassThrough, type Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { connectControl } from '../../src/control/client.ts'
import { execThrough } from '../../src/control/exec-client.ts'
import { FRAME_MAX, frames, INPUT_WINDOW, STREAM } from '../../src/control/frames.ts'
import { serveControl } from '../../src/control/server.ts'
import { UsageError } from '../../src/errors.ts'
import { hold } from '../../src/holder/held.ts'
import type { ExecSession, ExecSpec } from '../../src/instance/exec.ts'
import type { ExitResult, TerminalSize } from '../../src/instance/instance.ts'
import { ownIdentity } from '../../src/instance/process-identity.ts'
import type { InstanceRecord } from '../../src/instance/record.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { fakeClaim, fakeInstance } from '../helpers/fake-instance.ts'

const SPEC: ExecSpec = { argv: ['prog', 'arg'], env: ['A=b'], interactive: true }

/** A program that does what the test says. */
function fakeSession(stdin: Writable = new PassThrough()) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const signals: number[] = []
  const sizes: TerminalSize[] = []
  let abandoned = 0
  let settle: (result: ExitResult) => void = () => {}
  const ended = new Promise<ExitResult>((resolve) => {
    settle = resolve
  })
  const session: ExecSession = {
    ...{ stdin, stdout, stderr },
    wait: () => ended,
    signal: (signo) => signals.push(signo),
    resize: (size) => sizes.push(size),
    abandon: () => {
      abandoned++
    },
  }
  const end = (result: ExitResult) => {
    stdout.end()
    stderr.end()
    settle(result)
  }
  return { session, stdout, stderr, signals, sizes, end, abandoned: () => abandoned }
}

/** An instance that can be asked, by its socket. */
async function served(t: ExecutionContext, start?: (spec: ExecSpec) => ExecSession) {
  const directory = temporaryDirectory(t)
  const instance = fakeInstance(start ? { exec: async (spec) => start(spec) } : {})
  const held = hold(instance, fakeClaim(directory))
  const server = await serveControl(directory, held.operations)
  t.teardown(() => server.close())
  const state = { status: 'running', owner: ownIdentity() } as const
  const record = { name: 'web', directory, state } as unknown as InstanceRecord
  const client = async () => {
    const one = await connectControl(record)
    t.teardown(() => one.close())
    return one
  }
  return { held, client, path: join(directory, 'control.sock') }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2)
}

async function textOf(stream: Readable): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

test('what is asked for arrives as it is, and its streams go both ways to their ends', async (t) => {
  const spec: ExecSpec = {
    ...SPEC,
    ...{ cwd: '/tmp', user: { uid: 5, gid: 6 }, tty: { cols: 99, rows: 33 }, env: ['A=b c', 'É=ü'] },
  }
  const fake = fakeSession()
  let asked: ExecSpec | undefined
  const { client } = await served(t, (given) => {
    asked = given
    return fake.session
  })
  const remote = await execThrough(await client(), spec)
  const [out, err] = [textOf(remote.stdout), textOf(remote.stderr)]
  remote.stdin.end('hello '.repeat(100_000))
  const input = await textOf(fake.session.stdin as PassThrough)
  fake.stdout.write(input)
  fake.stderr.write('oops')
  remote.resize({ cols: 10, rows: 20 })
  remote.signal(15)
  await until(() => fake.signals.length > 0)
  fake.end({ exitCode: 7 })
  t.deepEqual(await remote.result, { exitCode: 7 })
  t.deepEqual(asked, spec)
  t.true((await out) === 'hello '.repeat(100_000))
  t.is(await err, 'oops')
  t.deepEqual([fake.signals, fake.sizes], [[15], [{ cols: 10, rows: 20 }]])
  t.is(fake.abandoned(), 0)
})

test('whoever wants no more of one stream gets the other, and the end', async (t) => {
  const fake = fakeSession()
  const { client } = await served(t, () => fake.session)
  const remote = await execThrough(await client(), SPEC)
  fake.stdout.write(Buffer.alloc(FRAME_MAX))
  await once(remote.stdout, 'readable')
  remote.stdout.destroy()
  fake.stdout.write(Buffer.alloc(16 * FRAME_MAX))
  fake.stderr.write('why')
  fake.end({ exitCode: 3 })
  t.is(await textOf(remote.stderr), 'why')
  t.deepEqual(await remote.result, { exitCode: 3 })
})

test('input that the program does not read waits with whoever writes it, and a signal passes it by', async (t) => {
  let taken = 0
  let read = () => {}
  const reading = new Promise<void>((resolve) => {
    read = resolve
  })
  const stdin = new Writable({
    write(bytes: Buffer, _encoding, done) {
      void reading.then(() => {
        taken += bytes.length
        done()
      })
    },
  })
  const fake = fakeSession(stdin)
  const { client } = await served(t, () => fake.session)
  const remote = await execThrough(await client(), SPEC)
  const much = Buffer.alloc(8 * INPUT_WINDOW)
  const written = new Promise((resolve) => remote.stdin.write(much, resolve))
  remote.signal(2)
  await until(() => fake.signals.length > 0)
  t.deepEqual(fake.signals, [2])
  t.true(stdin.writableLength <= INPUT_WINDOW)
  read()
  await written
  remote.stdin.end()
  await once(stdin, 'finish')
  t.is(taken, much.length)
  fake.end({ exitCode: 0 })
  await remote.result
})

test('output that nobody reads is not read from the program either', async (t) => {
  const fake = fakeSession()
  const { client } = await served(t, () => fake.session)
  const one = await client()
  await one.ask({ verb: 'exec', ...SPEC })
  // From here on nobody reads the socket.
  let given = 0
  for (; given < 256; given++) {
    if (!fake.stdout.write(Buffer.alloc(FRAME_MAX))) {
      const room = await Promise.race([once(fake.stdout, 'drain'), sleep(300).then(() => undefined)])
      if (!room) break
    }
  }
  t.true(given < 256, 'it took 16 MiB')
  one.close()
})

test('a connection that goes away abandons its program, once', async (t) => {
  const fake = fakeSession()
  const { client } = await served(t, () => fake.session)
  const one = await client()
  await execThrough(one, SPEC)
  one.close()
  await until(() => fake.abandoned() > 0)
  fake.end({ exitCode: 129 })
  await sleep(10)
  t.is(fake.abandoned(), 1)
})

test('one that is gone before its program has started abandons it all the same', async (t) => {
  const fake = fakeSession()
  let start = (_: ExecSession) => {}
  const starting = new Promise<ExecSession>((resolve) => {
    start = resolve
  })
  const directory = temporaryDirectory(t)
  const held = hold(fakeInstance({ exec: () => starting }), fakeClaim(directory))
  const server = await serveControl(directory, held.operations)
  t.teardown(() => server.close())
  const socket = connect(join(directory, 'control.sock'))
  socket.end(`${JSON.stringify({ verb: 'exec', ...SPEC })}\n`)
  await once(socket.resume(), 'close').catch(() => {})
  start(fake.session)
  await until(() => fake.abandoned() === 1)
  fake.end({ exitCode: 129 })
  t.pass()
})

test('whatever is sent in place of frames ends the connection with a reason, and the program with it', async (t) => {
  const more = frames(STREAM.stdin, Buffer.alloc(FRAME_MAX))
  const hostile = fc.oneof(
    fc.uint8Array({ minLength: 8, maxLength: 200 }).map((bytes) => Buffer.from([9, 0, 0, 0, 0xff, ...bytes])),
    fc
      .constantFrom(STREAM.signal, STREAM.resize)
      .chain((stream) =>
        fc
          .oneof(fc.constantFrom('null', '1', '[]', '{}'), fc.string(), fc.json())
          .map((text) => frames(stream, Buffer.from(text.slice(0, 1000)))),
      ),
    // More than it was let send, to a program that reads nothing.
    fc.constant(Buffer.concat(Array.from({ length: INPUT_WINDOW / FRAME_MAX + 1 }, () => more))),
  )
  await fc.assert(
    fc.asyncProperty(hostile, async (bytes) => {
      const fake = fakeSession(new Writable({ write() {} }))
      const { client, path } = await served(t, () => fake.session)
      const socket = connect(path)
      let said = ''
      socket
        .on('error', () => {})
        .on('data', (part) => {
          said += part.toString('latin1')
        })
      socket.write(`${JSON.stringify({ verb: 'exec', ...SPEC })}\n`)
      await until(() => said.includes('\n'))
      const closed = once(socket, 'close')
      socket.write(bytes)
      await closed
      t.regex(said, /\{"error":"it was sent /)
      t.is(fake.abandoned(), 1)
      // Others are answered.
      const { usage } = await (await client()).ask({ verb: 'stats' })
      t.is(usage.tasks, 1)
      fake.end({ exitCode: 0 })
    }),
    { numRuns: 20 },
  )
})

test('sixteen at a time, and a free place is taken again', async (t) => {
  const fakes: ReturnType<typeof fakeSession>[] = []
  const { client } = await served(t, () => {
    fakes.push(fakeSession())
    return fakes.at(-1)!.session
  })
  const remotes = await Promise.all(Array.from({ length: 16 }, async () => execThrough(await client(), SPEC)))
  await t.throwsAsync(execThrough(await client(), SPEC), { instanceOf: UsageError, message: /16 were started/ })
  fakes[3]!.end({ exitCode: 0 })
  remotes[3]!.stdout.resume()
  remotes[3]!.stderr.resume()
  await remotes[3]!.result
  await execThrough(await client(), SPEC)
  t.is(fakes.length, 17)
})

test('an instance that ends tells those who wait for its further programs', async (t) => {
  const fake = fakeSession()
  const { client, held } = await served(t, () => fake.session)
  const remote = await execThrough(await client(), SPEC)
  held.finish({ exitCode: 0 })
  const { exitCode, report } = await remote.result
  t.is(exitCode, 137)
  t.is(report, 'Instance "web" has ended, and this program with it.')
  await t.throwsAsync(execThrough(await client(), SPEC), { message: /it has just ended/ })
})

test('what cannot be is refused with the reason: paused, one process by design, too long', async (t) => {
  const paused = await served(t, () => fakeSession().session)
  await (await paused.client()).ask({ verb: 'pause' })
  await t.throwsAsync(execThrough(await paused.client(), SPEC), { message: /it is paused/ })
  const { client } = await served(t)
  await t.throwsAsync(execThrough(await client(), SPEC), { message: /one process, by design/ })
  const long = { ...SPEC, argv: ['prog', 'x'.repeat(300_000)] }
  await t.throwsAsync(execThrough(await client(), long), { message: /more than 262144 bytes/ })
})

test('the status that an error of the start stands for reaches whoever asked', async (t) => {
  const { client } = await served(t, () => {
    throw new UsageError('Cannot run prog: there is no such file.', { exitCode: 127 })
  })
  const error = await t.throwsAsync<UsageError>(execThrough(await client(), SPEC))
  t.is(error?.exitCode, 127)
})
