import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { AsyncFiles, AsyncVector, FileDone } from '../../../src/backends/disk/async-files.ts'
import { Transfers } from '../../../src/backends/files/transfers.ts'

const [EIO, ECANCELED] = [5, 125]

/** Files that answer as the test says, one number a call, and note what was asked. */
function slowFiles(answers: number[]): AsyncFiles & { readonly asked: string[] } {
  const asked: string[] = []
  const call =
    (what: string) =>
    (_fd: number, { length }: AsyncVector, offset: number, done: FileDone) => {
      asked.push(`${what} ${offset}+${length}`)
      const answer = answers.shift()
      if (answer !== undefined) done(answer)
    }
  const flush = (what: string) => (_fd: number, done: FileDone) => {
    asked.push(what)
    done(answers.shift() ?? 0)
  }
  return {
    asked,
    kind: 'thread pool',
    threads: 1,
    preadv: call('read'),
    pwritev: call('write'),
    fdatasync: flush('fdatasync'),
    fsync: flush('fsync'),
    fallocate: (_fd, _mode, _offset, _length, done) => done(0),
    submit: () => {},
    drain: (fd) => asked.push(`drain ${fd}`),
    close: () => {},
  }
}

function file(t: ExecutionContext, content: string): { fd: number; path: string } {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-transfers-'))
  const path = join(directory, 'file')
  writeFileSync(path, content)
  const fd = openSync(path, 'r+')
  t.teardown(() => {
    closeSync(fd)
    rmSync(directory, { recursive: true })
  })
  return { fd, path }
}

const write = (transfers: Transfers, fd: number, stable: boolean) => {
  let result: number | undefined
  const segments = [new Uint8Array(5).fill(65), new Uint8Array(10).fill(66)]
  transfers.write({ fd, offset: 100, segments, skip: 3, length: 12 }, stable, (answer) => {
    result = answer
  })
  return result
}

test('what the host does in pieces is asked for until it is done', (t) => {
  const files = slowFiles([5, 4, 3])
  t.is(write(new Transfers(files), 7, true), 12)
  t.deepEqual(files.asked, ['write 100+12', 'write 105+7', 'write 109+3'])
})

test('a fault after a piece is not heard of: the next request will; one before is', (t) => {
  t.is(write(new Transfers(slowFiles([5, -EIO])), 7, true), 5)
  t.is(write(new Transfers(slowFiles([-EIO])), 7, true), -EIO)
  t.is(write(new Transfers(slowFiles([-ECANCELED])), 7, true), -ECANCELED)
  t.is(write(new Transfers(slowFiles([0])), 7, true), 0)
})

test('what takes no waiting is done on the spot, where it lies in memory', (t) => {
  const { fd, path } = file(t, '0123456789')
  const files = slowFiles([])
  const transfers = new Transfers(files)
  const segments = [new Uint8Array(4), new Uint8Array(20)]
  let read: number | undefined
  transfers.read({ fd, offset: 2, segments, skip: 2, length: 20 }, (result) => {
    read = result
  })
  t.is(read, 8, 'as far as the file goes')
  t.is(Buffer.concat(segments).toString('latin1').replaceAll('\0', '.'), `..23456789${'.'.repeat(14)}`)
  t.is(write(transfers, fd, false), 12)
  t.is(readFileSync(path, 'latin1').slice(100), 'AABBBBBBBBBB')
  t.deepEqual(files.asked, [])
})

test('once a write has taken long, the next ones are made elsewhere for a while', (t) => {
  const { fd } = file(t, '')
  // The clock is read before a write, at its begin and at its end.
  const times = [0, 0, 10, 15, 49, 51, 51, 51]
  const files = slowFiles([12, 12])
  const transfers = new Transfers(files, () => times.shift()!)
  for (let round = 0; round < 4; round++) t.is(write(transfers, fd, false), 12)
  t.deepEqual(files.asked, ['write 100+12', 'write 100+12'])
})

test('a flush is of data alone or of all, and draining is for files that are being worked on', (t) => {
  const files = slowFiles([0, -EIO])
  const transfers = new Transfers(files)
  const results: number[] = []
  transfers.sync(7, true, (result) => results.push(result))
  transfers.sync(7, false, (result) => results.push(result))
  t.deepEqual(results, [0, -EIO])
  transfers.drain()
  t.is(write(transfers, 9, true), undefined, 'no answer yet')
  transfers.drain()
  t.deepEqual(files.asked, ['fdatasync', 'fsync', 'write 100+12', 'drain 9'])
})
