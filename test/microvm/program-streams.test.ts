import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import test, { type ExecutionContext } from 'ava'
import { pipe } from '../../kvm-bindings/ffi.ts'
import { openProgramStreams } from '../../src/microvm/program-streams.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const later = (ms = 10) => new Promise((resolve) => setTimeout(resolve, ms))

/** A program whose streams the test holds, joined to descriptors. */
function joined(t: ExecutionContext, { stdin, stdout }: { stdin?: number; stdout?: number } = {}) {
  const directory = temporaryDirectory(t)
  const [out, err] = ['out', 'err'].map((name) => openSync(join(directory, name), 'w'))
  t.teardown(() => [out!, err!].map((fd) => closeSync(fd)))
  const happened: string[] = []
  const streams = openProgramStreams(
    { ...(stdin !== undefined && { stdin }), stdout: stdout ?? out!, stderr: err! },
    {
      onFirstOutput: () => happened.push('first output'),
      onOutputLost: ({ code }) => happened.push(`lost: ${code}`),
    },
  )
  const program = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough() }
  streams.join(program)
  const said = (name: 'out' | 'err') => readFileSync(join(directory, name), 'utf8')
  const end = () => {
    program.stdout.end()
    program.stderr.end()
  }
  return { streams, program, happened, said, end }
}

test('what the program writes comes out where it belongs, all of it by the time it is flushed', async (t) => {
  const { streams, program, said, happened, end } = joined(t)
  program.stdout.write('to out')
  program.stderr.write('to err')
  end()
  await streams.flushed()
  t.is(said('out'), 'to out')
  t.is(said('err'), 'to err')
  t.true(happened.includes('first output'))
  streams.close()
})

test('without standard input the program reads its end', async (t) => {
  const { program, streams } = joined(t)
  t.true(program.stdin.writableEnded)
  streams.close()
})

test('standard input reaches the program, and its end does', async (t) => {
  const [read, write] = pipe()
  const { program, streams } = joined(t, { stdin: read })
  writeSync(write, 'hello')
  closeSync(write)
  const chunks: Buffer[] = []
  for await (const chunk of program.stdin) chunks.push(chunk as Buffer)
  t.is(Buffer.concat(chunks).toString(), 'hello')
  streams.close()
  closeSync(read)
})

test('a reader that does not read makes the program wait, and loses nothing', async (t) => {
  const [read, write] = pipe()
  const { program, streams, end } = joined(t, { stdout: write })
  const sent = Buffer.alloc(300_000, 'abcdefg')
  program.stdout.write(sent)
  program.stdout.write(sent)
  end()
  await later(50)
  // A pipe holds 64 KiB, the program's stream what was sent: nothing was taken that could not be handed on.
  t.true(program.stdout.readableLength > 0)
  const got: Buffer[] = []
  const flushed = streams.flushed().then(() => 'flushed')
  t.is(await Promise.race([flushed, later(20).then(() => 'waits')]), 'waits')
  let total = 0
  for await (const chunk of new Socket({ fd: read, readable: true, writable: false })) {
    got.push(chunk as Buffer)
    total += (chunk as Buffer).length
    if (total >= 2 * sent.length) break
  }
  t.is(await flushed, 'flushed')
  t.true(Buffer.concat(got).equals(Buffer.concat([sent, sent])))
  streams.close()
  closeSync(write)
})

test('a reader that has gone is told of once, and the rest goes nowhere', async (t) => {
  const [read, write] = pipe()
  const { program, streams, happened, end } = joined(t, { stdout: write })
  closeSync(read)
  program.stdout.write('nobody')
  await later()
  program.stdout.write('hears it')
  end()
  await streams.flushed()
  t.deepEqual(
    happened.filter((one) => one.startsWith('lost')),
    ['lost: EPIPE'],
  )
  streams.close()
  closeSync(write)
})

test('streams of a program that is gone without a word are over', async (t) => {
  const { program, streams } = joined(t)
  program.stdout.destroy()
  program.stderr.destroy(new Error('the connection is lost'))
  await streams.flushed()
  streams.close()
  t.pass()
})
