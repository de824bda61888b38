import { closeSync, constants, openSync, readdirSync, readSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { openProgramStreams } from '../../src/holder/program-streams.ts'

/**
 * As a program would read, but for the waiting: the writer is in this very process. @returns 0 at the
 * end, null when there is none yet
 */
function readNow(fd: number, buffer: Buffer): number | null {
  const own = openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    return readSync(own, buffer)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return null
    throw error
  } finally {
    closeSync(own)
  }
}

const descriptors = (): string[] => readdirSync('/proc/self/fd')

test.serial('what is written is handed over by stream, all of it by the end, and no descriptor stays', async (t) => {
  const before = descriptors().length
  const seen: string[] = []
  const { stdio, input, drained } = openProgramStreams(false, (stream, bytes) => seen.push(`${stream} ${bytes}`))
  t.is(input, undefined)
  t.is(stdio.stdin, undefined)
  writeSync(stdio.stdout, 'one')
  writeSync(stdio.stderr, 'two')
  await drained()
  t.deepEqual(seen.sort(), ['stderr two', 'stdout one'])
  t.is(descriptors().length, before)
})

test.serial('input arrives, its end does too, and a program that closed it is no fault', async (t) => {
  const { stdio, input, drained } = openProgramStreams(true, () => {})
  input!.write(Buffer.from('hello'))
  const buffer = Buffer.alloc(10)
  t.is(readSync(stdio.stdin!, buffer), 5)
  input!.end()
  await sleep(20)
  t.is(readSync(stdio.stdin!, buffer), 0)
  t.notThrows(() => input!.write(Buffer.from('late')))
  t.notThrows(() => input!.end())
  await drained()
  t.notThrows(() => input!.write(Buffer.from('later')))
})

test.serial('what comes after the end of input does not cost the program what came before', async (t) => {
  const { stdio, input, drained } = openProgramStreams(true, () => {})
  const size = 200_000
  input!.write(Buffer.alloc(size, 'x'))
  input!.end()
  t.true(input!.write(Buffer.from('too late')))
  const buffer = Buffer.alloc(2 * size)
  let read = 0
  for (let count: number | null = null; count !== 0; await sleep(1)) {
    count = readNow(stdio.stdin!, buffer)
    read += count ?? 0
  }
  t.is(read, size)
  await drained()
})

test.serial('waiting for room again and again leaves no listeners behind', async (t) => {
  const { stdio, input, drained } = openProgramStreams(true, () => {})
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  const buffer = Buffer.alloc(2 ** 20)
  for (let round = 0; round < 20; round++) {
    t.false(input!.write(Buffer.alloc(200_000)))
    let resumed = 0
    input!.onDrain(() => resumed++)
    for (let read = 0; read < 200_000; read += readNow(stdio.stdin!, buffer) ?? 0) await sleep(1)
    while (resumed === 0) await sleep(1)
    t.is(resumed, 1)
  }
  t.deepEqual(warnings, [])
  process.off('warning', onWarning)
  await drained()
})
