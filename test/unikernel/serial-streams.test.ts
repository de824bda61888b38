/** The streams of a kernel that runs no program of ours. */
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createSerialStreams } from '../../src/unikernel/serial-streams.ts'

/** @param connected whether there is a standard input, which says nothing */
function open(t: ExecutionContext, { connected = false } = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-serial-'))
  const file = join(directory, 'stdout')
  const stdout = openSync(file, 'w')
  const fifo = join(directory, 'stdin')
  execFileSync('mkfifo', [fifo])
  const stdin = connected ? openSync(fifo, 'r+') : undefined
  const signals: number[] = []
  const streams = createSerialStreams({
    stdio: { stdout, stderr: stdout, ...(stdin === undefined ? {} : { stdin }) },
    onFirstOutput() {},
    onOutputLost: (error) => t.fail(error.message),
    onSignal: (signo) => void signals.push(signo),
  })
  t.teardown(() => {
    streams.close()
    for (const fd of [stdout, stdin]) if (fd !== undefined) closeSync(fd)
    rmSync(directory, { recursive: true })
  })
  return {
    streams,
    signals,
    output: () => readFileSync(file, 'utf8'),
  }
}

test('what the serial port says is standard output', async (t) => {
  const { streams, output } = open(t)
  const sink = streams.openStdout()
  t.is(sink.write(Buffer.from('Linux version 6.1')), 17)
  await sink.flush?.()
  t.is(output(), 'Linux version 6.1')
})

test('without standard input nothing arrives, and every signal is for the machine', (t) => {
  const { streams, signals } = open(t)
  t.is(streams.input, undefined)
  for (const signo of [1, 2, 15]) streams.sendSignal(signo)
  t.deepEqual(signals, [1, 2, 15])
})

test('with standard input SIGINT is the character that a terminal sends, other signals are for the machine', (t) => {
  const { streams, signals } = open(t, { connected: true })
  let readable = 0
  streams.input!.onReadable(() => readable++)
  streams.sendSignal(2)
  streams.sendSignal(15)
  t.is(readable, 1)
  const buffer = new Uint8Array(8)
  t.is(streams.input!.read(buffer), 1)
  t.is(buffer[0], 3)
  t.deepEqual(signals, [15])
})
