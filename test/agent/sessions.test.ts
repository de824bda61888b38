/** docs/agent-protocol.md, "Sessions": the client and the agent itself, as a process of this host. */
import { readdirSync, readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import type { AgentProcess } from '../../src/agent/agent-process.ts'
import { type Agent, agentClient } from '../../src/agent/client.ts'
import { OUTPUT_WINDOW } from '../../src/agent/output-stream.ts'
import { STDIN_WINDOW } from '../../src/agent/protocol.ts'
import type { AgentSession } from '../../src/agent/session.ts'
import { UsageError } from '../../src/errors.ts'
import { type AgentUnderTest, buildAgent, withAgent } from '../helpers/agent-process.ts'
import { busybox, shell, until } from '../helpers/agent-programs.ts'

buildAgent()

const O_CLOEXEC = 0o2000000
const ENV = ['PATH=/usr/bin:/bin']
/** Everything that it said and how it ended. */
const outcome = async (session: AgentSession) => {
  const [stdout, stderr, result] = await Promise.all([text(session.stdout), text(session.stderr), session.wait()])
  return { stdout, stderr, ...result }
}

const readOf = (path: string) => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** What whoever runs the tests left open for everybody. */
const inherited = () =>
  readdirSync('/proc/self/fdinfo').filter((fd) => {
    const flags = /^flags:\s+(\d+)$/m.exec(readOf(`/proc/self/fdinfo/${fd}`))?.[1]
    return Number(fd) > 2 && flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0
  })

/** Waits for a condition, step by step; a test that waits in vain ends by its own time limit. */
const withClient = (t: ExecutionContext, run: (client: Agent, agent: AgentUnderTest) => Promise<void>) =>
  withAgent(t, async (agent) => {
    const client = agentClient(await agent.transport())
    await client.configure({})
    await run(client, agent)
    client.close()
  })

test('a program has its arguments, environment, directory and streams, and its status comes back', (t) =>
  withClient(t, async (client) => {
    const session = await client.start(
      shell('echo "$0 $1" "$A"; pwd; echo oops >&2; exit 7', {
        argv: ['sh', '-c', 'echo "$0 $1" "$A"; pwd; echo oops >&2; exit 7', 'zero', 'one two'],
        env: [...ENV, 'A=b'],
        cwd: '/usr',
      }),
    )
    t.true(session.pid > 0)
    t.deepEqual(await outcome(session), { stdout: 'zero one two b\n/usr\n', stderr: 'oops\n', exitCode: 7 })
  }))

test('a death by signal is 128 and its number', (t) =>
  withClient(t, async (client) => {
    t.is((await outcome(await client.start(shell('kill -SEGV $$')))).exitCode, 139)
    const session = await client.start(busybox('sleep', '60'))
    session.signal(15)
    t.is((await session.wait()).exitCode, 143)
  }))

test('a program is looked up in PATH, and what cannot be started says so as a shell does', (t) =>
  withClient(t, async (client) => {
    const named = { argv: ['true'], env: ['PATH=/nowhere:/usr/bin'], cwd: '/', interactive: false }
    t.is((await outcome(await client.start(named))).exitCode, 0)
    const refused = async (process: Partial<AgentProcess>) => {
      const error = await t.throwsAsync(client.start({ ...named, ...process }), { instanceOf: UsageError })
      return [error!.exitCode, error!.message]
    }
    t.deepEqual(await refused({ argv: ['no-such-thing'] }), [
      127,
      'Cannot run no-such-thing: there is no such file in its root.',
    ])
    t.deepEqual(await refused({ argv: ['/etc/passwd'] }), [126, 'Cannot run /etc/passwd: it may not be executed.'])
    t.deepEqual(await refused({ argv: ['/nowhere/at/all'] }), [
      127,
      'Cannot run /nowhere/at/all: there is no such file in its root.',
    ])
    t.deepEqual(await refused({ argv: ['/etc'] }), [126, 'Cannot run /etc: it may not be executed.'])
    t.deepEqual(await refused({ cwd: '/nowhere' }), [
      125,
      'Cannot run true: its working directory cannot be /nowhere: there is none in its root.',
    ])
    t.is((await outcome(await client.start(named))).exitCode, 0)
  }))

test('configuring and starting leave in one piece', (t) =>
  withAgent(t, async (agent) => {
    const transport = await agent.transport()
    const sent: number[] = []
    const client = agentClient({
      ...transport,
      send(bytes) {
        sent.push(bytes.length)
        transport.send(bytes)
      },
    })
    const configured = client.configure({ hostname: 'here' })
    const session = await client.start(busybox('true'))
    await configured
    t.is((await outcome(session)).exitCode, 0)
    t.is(sent.length, 1)
  }))

test('what was not configured runs nothing', (t) =>
  withAgent(t, async (agent) => {
    const client = agentClient(await agent.transport())
    await t.throwsAsync(client.start(busybox('true')), { message: /its guest is not configured/ })
    await client.configure({})
    t.is((await outcome(await client.start(busybox('true')))).exitCode, 0)
  }))

test('standard input arrives whole, however much more than the window it is', (t) =>
  withClient(t, async (client) => {
    const session = await client.start({ ...busybox('sha256sum'), interactive: true })
    const expected = await client.start(shell(`head -c ${20 * STDIN_WINDOW} /dev/zero | sha256sum`))
    session.stdin.end(Buffer.alloc(20 * STDIN_WINDOW))
    t.is((await outcome(session)).stdout, (await outcome(expected)).stdout)
  }))

test('a program that does not read its input holds its writer back, and no other', (t) =>
  withClient(t, async (client) => {
    const slow = await client.start({ ...busybox('sleep', '60'), interactive: true })
    let written = false
    slow.stdin.write(Buffer.alloc(10 * STDIN_WINDOW), () => {
      written = true
    })
    t.deepEqual(await outcome(await client.start(shell('echo other'))), { stdout: 'other\n', stderr: '', exitCode: 0 })
    t.false(written)
    slow.signal(9)
    await slow.wait()
    await until(() => written)
    slow.stdin.end('to nobody')
    await until(() => slow.stdin.writableFinished)
    t.pass()
  }))

test('without standard input a program reads end of file at once', (t) =>
  withClient(t, async (client) => {
    const session = await client.start(busybox('cat'))
    session.stdin.end('nobody reads this')
    t.deepEqual(await outcome(session), { stdout: '', stderr: '', exitCode: 0 })
  }))

test('a program that closes its input goes on, and so does whoever writes to it', (t) =>
  withClient(t, async (client) => {
    const session = await client.start(shell('exec <&-; sleep 0.2; echo there', { interactive: true }))
    const written = new Promise((resolve) => session.stdin.end(Buffer.alloc(3 * STDIN_WINDOW), () => resolve(true)))
    t.is((await outcome(session)).stdout, 'there\n')
    t.true(await written)
  }))

test('output that nobody reads stops its program at the window, and no other', (t) =>
  withClient(t, async (client) => {
    const loud = await client.start(busybox('yes'))
    await until(() => loud.stdout.readableLength >= OUTPUT_WINDOW)
    t.is((await outcome(await client.start(shell('echo other')))).stdout, 'other\n')
    t.is(loud.stdout.readableLength, OUTPUT_WINDOW)
    loud.signal(9)
    loud.stdout.resume()
    loud.stderr.resume()
    t.is((await loud.wait()).exitCode, 137)
  }))

test('all output is there before the end, however much it is', (t) =>
  withClient(t, async (client) => {
    const bytes = 40 * OUTPUT_WINDOW
    const session = await client.start(shell(`head -c ${bytes} /dev/zero; echo done >&2`))
    const [output, errors, result] = await Promise.all([
      text(session.stdout).then((all) => all.length),
      text(session.stderr),
      session.wait(),
    ])
    t.deepEqual([output, errors, result.exitCode], [bytes, 'done\n', 0])
  }))

test('a reader that comes late and reads slowly gets everything', (t) =>
  withClient(t, async (client) => {
    const bytes = 5 * OUTPUT_WINDOW
    const session = await client.start(shell(`head -c ${bytes} /dev/zero`))
    session.stderr.resume()
    await until(() => session.stdout.readableLength > 0)
    let seen = 0
    for await (const part of session.stdout) {
      seen += part.length
      await sleep(1)
    }
    t.is(seen, bytes)
    t.is((await session.wait()).exitCode, 0)
  }))

test('a child that keeps the output open does not keep the session open', (t) =>
  withClient(t, async (client) => {
    t.is((await outcome(await client.start(shell('echo first; sleep 60 & exit 3')))).exitCode, 3)
  }))

test('a program leads a session and a group of its own', (t) =>
  withClient(t, async (client) => {
    const session = await client.start(
      shell('cut -d" " -f1,5,6 /proc/self/stat | cat; cut -d" " -f1,5,6 /proc/$$/stat'),
    )
    const [, own] = (await outcome(session)).stdout.trim().split('\n')
    t.is(own, `${session.pid} ${session.pid} ${session.pid}`)
  }))

test('a program inherits no descriptor and no blocked or ignored signal', (t) =>
  withClient(t, async (client) => {
    const seen = await outcome(await client.start(busybox('ls', '/proc/self/fd')))
    const numbers = seen.stdout
      .trim()
      .split('\n')
      .filter((fd) => !inherited().includes(fd))
    t.deepEqual(numbers, ['0', '1', '2', '3']) // the last is that of the directory itself
    const masks = await outcome(await client.start(busybox('grep', '-E', 'Sig(Blk|Ign):', '/proc/self/status')))
    // 32 is the C library's own: no program can set it, and whoever started the tests may have it ignored.
    t.regex(masks.stdout, /SigBlk:\t0{16}\nSigIgn:\t0{8}[08]0{7}\n/)
  }))

test('a terminal has its size, its signals by key and its resizes', (t) =>
  withClient(t, async (client) => {
    const session = await client.start(
      shell(
        'stty size; trap "stty size; exit 4" WINCH; trap "echo interrupted" INT; echo ready; while :; do sleep 0.05; done',
        {
          tty: { cols: 91, rows: 37 },
          interactive: true,
        },
      ),
    )
    let seen = ''
    session.stdout.on('data', (part) => {
      seen += part
    })
    await until(() => seen.includes('ready'))
    t.true(seen.startsWith('37 91\r\n'))
    session.stdin.write('\x03')
    await until(() => seen.includes('interrupted'))
    session.resize({ cols: 100, rows: 50 })
    t.is((await session.wait()).exitCode, 4)
    await until(() => session.stdout.readableEnded)
    t.true(seen.endsWith('50 100\r\n'), seen)
  }))

test('output of a terminal is there to the last byte', (t) =>
  withClient(t, async (client) => {
    const session = await client.start(
      shell('i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done', { tty: { cols: 80, rows: 24 } }),
    )
    const { stdout } = await outcome(session)
    t.true(stdout.endsWith('line 2999\r\n'))
    t.is(stdout.split('\n').length, 3001)
  }))

test('an abandoned program is hung up; one that does not mind is killed', (t) =>
  withClient(t, async (client) => {
    const minds = await client.start(shell('trap "exit 5" HUP; while :; do sleep 0.05; done'))
    minds.abandon()
    minds.abandon()
    t.is((await minds.wait()).exitCode, 5)
    const stubborn = await client.start(shell('trap "" HUP; echo ready; while :; do sleep 0.05; done'))
    await new Promise((resolve) => stubborn.stdout.once('data', resolve))
    stubborn.abandon()
    t.is((await stubborn.wait()).exitCode, 137)
  }))

test('what a program that was abandoned goes on to say is thrown away', (t) =>
  withClient(t, async (client) => {
    const session = await client.start(shell('trap "" HUP; yes'))
    await until(() => session.stdout.readableLength >= OUTPUT_WINDOW)
    session.abandon()
    t.is((await session.wait()).exitCode, 137)
    t.true(session.stdout.readableLength <= OUTPUT_WINDOW)
  }))

test('with the main program everything else ends, and its end is said last', (t) =>
  withClient(t, async (client) => {
    const order: string[] = []
    const main = await client.start(shell('read line; echo bye; exit 9', { main: true, interactive: true }))
    const other = await client.start(busybox('sleep', '60'))
    main.stdin.end('go\n')
    void other.wait().then(() => order.push('other'))
    void main.wait().then(() => order.push('main'))
    const [ended, killed] = await Promise.all([outcome(main), outcome(other)])
    t.deepEqual(ended, { stdout: 'bye\n', stderr: '', exitCode: 9 })
    t.is(killed.exitCode, 137)
    t.deepEqual(order, ['other', 'main'])
    await t.throwsAsync(client.start(busybox('true')), { message: /the instance is ending/ })
  }))

test('a shutdown kills what runs and says when it is done', (t) =>
  withClient(t, async (client) => {
    const session = await client.start(shell('trap "" TERM HUP; while :; do sleep 0.05; done'))
    await client.shutdown()
    t.is((await session.wait()).exitCode, 137)
  }))

test('a tool of the agent runs without any file, and an unknown one is refused', (t) =>
  withClient(t, async (client) => {
    const tool = { argv: ['processes'], tool: true, env: [], cwd: '/', interactive: false }
    const { stdout, exitCode } = await outcome(await client.start(tool))
    t.is(exitCode, 0)
    t.true(stdout.trim().split('\n').length > 1)
    await t.throwsAsync(client.start({ ...tool, argv: ['no-tool'] }), { instanceOf: UsageError })
  }))

test('a user and groups of its own', (t) =>
  withClient(t, async (client) => {
    if (process.getuid!() !== 0) {
      t.log('changing the user takes root')
      t.pass()
      return
    }
    const user = { uid: 1234, gid: 2345, groups: [7, 8] }
    const session = await client.start({ ...busybox('grep', '-E', '^(Uid|Gid|Groups):', '/proc/self/status'), user })
    t.is((await outcome(session)).stdout, 'Uid:\t1234\t1234\t1234\t1234\nGid:\t2345\t2345\t2345\t2345\nGroups:\t7 8 \n')
  }))

test('arguments and environment of many kilobytes arrive whole; of a megabyte and more they are refused', (t) =>
  withClient(t, async (client) => {
    const long = 'x'.repeat(100_000)
    const session = await client.start({
      ...busybox('sh', '-c', 'echo "$A $B $C" | wc -c'),
      env: [`A=${long}`, `B=${long}`, `C=${long}`],
    })
    t.is((await outcome(session)).stdout, '300003\n')
    await t.throwsAsync(client.start({ ...busybox('true'), env: [`A=${'x'.repeat(2 ** 20)}`] }), {
      message: /too long/,
    })
  }))

test('many programs at once each have their own', (t) =>
  withClient(t, async (client) => {
    const ends = Array.from({ length: 60 }, async (_, i) => outcome(await client.start(shell(`echo ${i}; exit ${i}`))))
    t.deepEqual(
      await Promise.all(ends),
      Array.from({ length: 60 }, (_, i) => ({ stdout: `${i}\n`, stderr: '', exitCode: i })),
    )
  }))

test('more programs than there can be are refused, and a place is free again when one has ended', (t) =>
  withClient(t, async (client) => {
    const running = await Promise.all(Array.from({ length: 64 }, () => client.start(busybox('sleep', '60'))))
    await t.throwsAsync(client.start(busybox('true')), { message: /no more can/ })
    running[0]!.signal(9)
    await running[0]!.wait()
    t.is((await outcome(await client.start(busybox('true')))).exitCode, 0)
    for (const session of running) session.abandon()
  }))
