import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import {
  listenVsock,
  VSOCK_SOCKETS_MAX,
  type VsockSockets,
  type VsockSocketsOptions,
} from '../../src/backends/vsock-sockets.ts'
import type { HostStream, StreamListener } from '../../src/backends/vsock-streams.ts'

const openFiles = () => readdirSync('/proc/self/fd').length

const withPlace = async (
  t: ExecutionContext,
  run: (path: string, sockets: VsockSockets) => Promise<void>,
  options: VsockSocketsOptions = {},
) => {
  const directory = mkdtempSync(join(tmpdir(), 'vsock-test-'))
  const path = join(directory, 'vsock.sock')
  const sockets = await listenVsock(path, options)
  try {
    await run(path, sockets)
  } finally {
    sockets.close()
    rmSync(directory, { recursive: true })
  }
  t.false(existsSync(path))
}

/** A stream's listener that a test can wait for. */
const listener = () => {
  const heard: string[] = []
  let forwarded = 0
  const wake = new Set<() => void>()
  const note = (what: string) => {
    heard.push(what)
    for (const resolve of wake) resolve()
  }
  const listening: StreamListener = {
    opened: () => note('opened'),
    readable: () => note('readable'),
    closed: () => note('closed'),
    forwarded: (bytes) => {
      forwarded += bytes
      note('forwarded')
    },
  }
  return {
    listening,
    heard,
    forwarded: () => forwarded,
    async until(condition: () => boolean) {
      while (!condition()) {
        await new Promise<void>((resolve) => {
          wake.add(resolve)
        })
      }
    },
  }
}

const readAll = (stream: HostStream): string => {
  const bytes = new Uint8Array(stream.waiting)
  return Buffer.from(bytes.subarray(0, stream.receive(bytes))).toString()
}

/** What a socket receives before it ends; its own side stays open. */
const drained = async (socket: Socket): Promise<string> => {
  const parts: Buffer[] = []
  socket.on('data', (part) => parts.push(part))
  await once(socket, 'end')
  return Buffer.concat(parts).toString()
}

const serve = async (path: string, onConnection: (socket: Socket) => void): Promise<Server> => {
  const server = createServer({ allowHalfOpen: true }, onConnection).listen(path)
  await once(server, 'listening')
  return server
}

test.serial('the socket is closed to other users from the moment it exists, and gone when it is closed', async (t) => {
  const before = openFiles()
  await withPlace(t, async (path) => {
    t.is(statSync(path).mode & 0o777, 0o600)
    t.true(statSync(path).isSocket())
  })
  await sleep(1)
  t.is(openFiles(), before)
})

test('a host program says CONNECT and a port, hears OK and a port, and then has its stream', async (t) => {
  await withPlace(t, async (path, sockets) => {
    const { listening, heard, until, forwarded } = listener()
    const asked = new Promise<[number, HostStream]>((resolve) => {
      sockets.onConnect((port, stream) => {
        resolve([port, stream])
        return listening
      })
    })
    const program = connect({ path, allowHalfOpen: true })
    // In pieces, and with the first bytes of the stream behind it.
    program.write('CONN')
    program.write('ECT 5201\nhello')
    const [port, stream] = await asked
    t.is(port, 5201)
    stream.accept(1234)
    await until(() => stream.waiting === 5)
    t.is(readAll(stream), 'hello')
    stream.send(Buffer.from('from the guest'))
    stream.endSending()
    t.is(await drained(program), 'OK 1234\nfrom the guest')
    t.is(forwarded(), 14)
    program.end('last')
    await until(() => heard.includes('closed'))
    t.is(readAll(stream), 'last')
    t.true(stream.ended)
  })
})

for (const [what, line] of [
  ['another word', 'HELLO 1\n'],
  ['no port', 'CONNECT \n'],
  ['a port that is no number', 'CONNECT 1x\n'],
  ['a negative port', 'CONNECT -1\n'],
  ['a port above all', 'CONNECT 4294967296\n'],
  ['the port that means any', 'CONNECT 4294967295\n'],
  ['a line without an end', `CONNECT ${'1'.repeat(100)}`],
] as const) {
  test(`a host program that says ${what} is sent away`, async (t) => {
    await withPlace(t, async (path, sockets) => {
      sockets.onConnect(() => {
        t.fail()
        return undefined
      })
      const program = connect(path)
      program.on('error', () => {})
      program.write(line)
      await once(program, 'close')
      t.is(program.bytesRead, 0)
    })
  })
}

test('a host program that ends before its line does is sent away', async (t) => {
  await withPlace(t, async (path) => {
    const program = connect(path)
    program.end('CONNECT 1')
    t.is(await drained(program), '')
  })
})

test('a host program is sent away where the guest cannot be reached', async (t) => {
  await withPlace(t, async (path, sockets) => {
    sockets.onConnect(() => undefined)
    const program = connect(path)
    program.on('error', () => {})
    program.write('CONNECT 22\n')
    await once(program, 'close')
    t.is(program.bytesRead, 0)
  })
})

test('port P of the host is the socket <path>_P, and its program hears the end of the guest’s output', async (t) => {
  await withPlace(t, async (path, sockets) => {
    const answers: string[] = []
    const server = await serve(`${path}_80`, async (socket) => {
      socket.write('welcome')
      answers.push(await drained(socket))
      socket.end()
    })
    const { listening, heard, until } = listener()
    const stream = sockets.connect(80, listening)!
    await until(() => heard.includes('opened') && stream.waiting === 7)
    t.is(readAll(stream), 'welcome')
    stream.send(Buffer.from('thanks'))
    stream.endSending()
    await until(() => heard.includes('closed'))
    t.deepEqual(answers, ['thanks'])
    server.close()
  })
})

test('a stream to a port where nobody listens is closed, not opened', async (t) => {
  await withPlace(t, async (_path, sockets) => {
    const { listening, heard, until } = listener()
    t.truthy(sockets.connect(81, listening))
    await until(() => heard.length > 0)
    t.deepEqual(heard, ['closed'])
  })
})

test('a host program is read no further than the guest keeps up with', async (t) => {
  await withPlace(t, async (path, sockets) => {
    const total = 8 * 2 ** 20
    const server = await serve(`${path}_1`, (socket) => {
      socket.on('error', () => {})
      socket.end(Buffer.alloc(total, 7))
    })
    const { listening, heard, until } = listener()
    const stream = sockets.connect(1, listening)!
    await until(() => stream.waiting > 0)
    await sleep(50)
    t.true(stream.waiting < 2 ** 20, `${stream.waiting} bytes wait`)
    let received = 0
    const into = new Uint8Array(10_000)
    while (received < total) {
      const count = stream.receive(into)
      received += count
      if (count === 0) {
        const before = heard.length
        await until(() => heard.length > before)
      }
    }
    t.is(received, total)
    await until(() => stream.ended)
    server.close()
  })
})

test('a stream with little room keeps that much and a read on top, and loses nothing', async (t) => {
  await withPlace(t, async (path, sockets) => {
    const total = 2 ** 20
    const server = await serve(`${path}_1`, (socket) => {
      socket.on('error', () => {})
      socket.end(Buffer.alloc(total, 7))
    })
    const { listening, until } = listener()
    const stream = sockets.connect(1, listening)!
    stream.limitWaiting(2048)
    let received = 0
    for (const into = new Uint8Array(10_000); received < total; received += stream.receive(into)) {
      await until(() => stream.waiting > 0)
      t.true(stream.waiting <= 2048 + 2 * 65536, `${stream.waiting} bytes wait`)
    }
    t.is(received, total)
    server.close()
  })
})

test('bytes count as forwarded when they have left, not before: a program that does not read holds them up', async (t) => {
  await withPlace(t, async (path, sockets) => {
    let program: Socket | undefined
    const server = await serve(`${path}_1`, (socket) => {
      program = socket.pause()
    })
    const { listening, until, forwarded } = listener()
    const stream = sockets.connect(1, listening)!
    const total = 2 ** 20
    for (let i = 0; i < 16; i++) stream.send(new Uint8Array(total / 16))
    await until(() => forwarded() > 0)
    await sleep(50)
    t.true(forwarded() < total)
    program!.resume()
    await until(() => forwarded() === total)
    program!.destroy()
    server.close()
  })
})

test('a stream that both sides are done with still delivers, and then closes', async (t) => {
  await withPlace(t, async (path, sockets) => {
    const got: Promise<string>[] = []
    const server = await serve(`${path}_1`, (socket) => {
      got.push(sleep(20).then(() => drained(socket)))
    })
    const { listening, heard, until } = listener()
    const stream = sockets.connect(1, listening)!
    await until(() => heard.includes('opened'))
    stream.send(Buffer.alloc(300_000, 'x'))
    let over = false
    const ended = new Promise<void>((resolve) =>
      stream.close(() => {
        over = true
        resolve()
      }),
    )
    await sleep(5)
    t.false(over, 'its bytes have still to leave')
    t.is((await got[0]!).length, 300_000)
    await ended
    t.false(heard.includes('closed'))
    await new Promise<void>((resolve) => stream.close(resolve))
    server.close()
  })
})

test('a guest may try so often and no more: the rest is refused without a system call (class 24)', async (t) => {
  let left = 3
  const run = async (_path: string, sockets: VsockSockets) => {
    const streams = Array.from({ length: 10 }, () => sockets.connect(1, listener().listening))
    t.is(streams.filter(Boolean).length, 3)
    t.is(left, -7)
  }
  await withPlace(t, run, { mayTry: () => left-- > 0 })
})

test('one VM has so many sockets and no more, on whatever account', async (t) => {
  const run = async (path: string, sockets: VsockSockets) => {
    const { listening, heard, until } = listener()
    let taken = 0
    while (taken <= VSOCK_SOCKETS_MAX && sockets.connect(1, listening)) taken++
    t.is(taken, VSOCK_SOCKETS_MAX)
    // Nobody listens there: one after the other is closed, and there is room again.
    await until(() => heard.length === VSOCK_SOCKETS_MAX)
    await sleep(1)
    t.truthy(sockets.connect(1, listener().listening))
    t.true(existsSync(path))
  }
  await withPlace(t, run, { mayTry: () => true })
})

test('a socket that a killed process left is taken over; one that answers is not, nor is a file', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'vsock-test-'))
  const path = join(directory, 'vsock.sock')
  const first = await listenVsock(path)
  await t.throwsAsync(listenVsock(path), { name: 'HostError', message: /another process listens there/ })
  first.close()
  // What is left without the unlink of an orderly end: bound, and closed by the kernel.
  const { spawnSync } = await import('node:child_process')
  const leave = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 9))`
  spawnSync(process.execPath, ['-e', leave])
  t.true(existsSync(path))
  const again = await listenVsock(path)
  again.close()
  t.false(existsSync(path))
  writeFileSync(path, 'precious')
  await t.throwsAsync(listenVsock(path), { name: 'HostError' })
  t.true(existsSync(path))
  rmSync(directory, { recursive: true })
})

test('a directory deeper than a socket’s name has room for will do', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'vsock-test-'))
  const directory = join(root, 'd'.repeat(100), 'e'.repeat(100))
  mkdirSync(directory, { recursive: true })
  const sockets = await listenVsock(join(directory, 'vsock.sock'))
  t.true(existsSync(join(directory, 'vsock.sock')))
  sockets.close()
  t.deepEqual(readdirSync(directory), [])
  rmSync(root, { recursive: true })
})

test('a name that is too long, or a directory that is not there, is refused with the reason', async (t) => {
  await t.throwsAsync(listenVsock(join(tmpdir(), 'n'.repeat(100))), { name: 'UsageError', message: /too long/ })
  await t.throwsAsync(listenVsock('/nowhere/vsock.sock'), { name: 'HostError', message: /no such file/ })
})
