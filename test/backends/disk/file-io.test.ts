import { closeSync, openSync, readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import type { AsyncFiles } from '../../../src/backends/disk/async-files.ts'
import { FileIo } from '../../../src/backends/disk/file-io.ts'
import { openPersistentDisk } from '../../../src/backends/disk/persistent-overlay.ts'
import { ask, changed, diskFiles, pattern, readAll, write } from '../../helpers/disk-files.ts'

/** Notes what was left for later. */
const noting = (files: AsyncFiles, notes: string[]): AsyncFiles =>
  changed(files, {
    preadv: (fd, vector, offset, done) => {
      notes.push(`read ${offset}+${vector.length}`)
      files.preadv(fd, vector, offset, done)
    },
    pwritev: (fd, vector, offset, done) => {
      notes.push(`write ${offset}+${vector.length}`)
      files.pwritev(fd, vector, offset, done)
    },
    fdatasync: (fd, done) => {
      notes.push('sync')
      files.fdatasync(fd, (result) => {
        notes.push('synced')
        done(result)
      })
    },
  })

/** @param tickMs what passes between two looks at the clock */
const open = (t: ExecutionContext, tickMs = 0) => {
  const { files, image, keep } = diskFiles(t)
  const path = image('file', pattern(8192))
  const fd = openSync(path, 'r+')
  keep({ close: () => closeSync(fd) })
  const notes: string[] = []
  let time = 0
  const clock = () => {
    time += tickMs
    return time
  }
  const io = new FileIo({ fd, files: noting(files, notes), clock })
  const move = (how: 'read' | 'write', offset: number, bytes: Uint8Array) =>
    new Promise<number>((resolve) => {
      io[how](offset, [bytes], 0, bytes.length, resolve)
      io.files.submit()
    })
  return { path, notes, move }
}

test('what the page cache has is read on the spot', async (t) => {
  const { path, notes, move } = open(t)
  readFileSync(path)
  const into = new Uint8Array(4096)
  t.is(await move('read', 0, into), 0)
  t.deepEqual(into, pattern(8192).slice(0, 4096))
  t.deepEqual(notes, [])
})

test('writes are done on the spot as long as the host takes them quickly', async (t) => {
  const { path, notes, move } = open(t, 5)
  t.is(await move('write', 512, pattern(512, 4)), 0)
  t.is(await move('write', 1024, pattern(512, 5)), 0)
  t.deepEqual(notes, [])
  t.deepEqual(new Uint8Array(readFileSync(path).subarray(512, 1024)), pattern(512, 4))
})

test('a host that makes writers wait is no longer waited for: the next writes go the other way', async (t) => {
  const { path, notes, move } = open(t, 10)
  // Asked at 10, begun at 20, ended at 30: the next forty are not for writing on the spot.
  for (let block = 0; block < 5; block++) t.is(await move('write', 512 * block, pattern(512, block)), 0)
  t.deepEqual(notes, ['write 512+512', 'write 1024+512', 'write 1536+512'])
  for (let block = 0; block < 5; block++)
    t.deepEqual(new Uint8Array(readFileSync(path).subarray(512 * block, 512 * block + 512)), pattern(512, block))
})

test('an overlay that lasts writes its map only when the data that it names are on the medium', async (t) => {
  const { files, image, keep, directory } = diskFiles(t)
  const notes: string[] = []
  const disk = keep(openPersistentDisk(`${directory}/overlay`, image('base', pattern(8192)), noting(files, notes)))
  t.is(await write(disk, 0, pattern(512, 2)), 0)
  t.is(await ask(disk, (done) => disk.flush(done)), 0)
  t.is(await ask(disk, (done) => disk.flush(done)), 0)
  t.deepEqual(notes, ['sync', 'synced', 'write 8192+4096', 'sync', 'synced', 'sync', 'synced'])
})

const EIO = 5
const ECANCELED = 125

/** Each sync ends, with success or minus errno, when the test says so. */
const lateSyncs = (t: ExecutionContext) => {
  const { files, ...rest } = diskFiles(t)
  const syncs: ((result: number) => void)[] = []
  const late = changed(files, { fdatasync: (_fd, done) => void syncs.push(done) })
  return { files, late, syncs, ...rest }
}

test('after a flush that failed none succeeds: the kernel tells of lost pages once and forgets them', (t) => {
  const { late, syncs } = lateSyncs(t)
  const io = new FileIo({ fd: -1, files: late })
  const ends: number[] = []
  const flush = () => io.flush((errno) => void ends.push(errno))
  flush()
  syncs.shift()!(-ECANCELED)
  flush()
  syncs.shift()!(0)
  t.deepEqual(ends.splice(0), [ECANCELED, 0], 'one that was called off says nothing of the pages')
  flush()
  syncs.shift()!(-EIO)
  flush()
  t.deepEqual(ends, [EIO, EIO])
  t.deepEqual(syncs, [])
})

test('flushes at once are done in a row, so that all after the one that failed hear of it', (t) => {
  const { late, syncs } = lateSyncs(t)
  const io = new FileIo({ fd: -1, files: late })
  const ends: string[] = []
  for (const name of ['first', 'second', 'third']) io.flush((errno) => void ends.push(`${name} ${errno}`))
  t.is(syncs.length, 1)
  syncs.shift()!(-EIO)
  t.deepEqual(ends.sort(), ['first 5', 'second 5', 'third 5'])
  t.deepEqual(syncs, [])
})

test('a flush is answered only by a sync that began after what it covers had been written', (t) => {
  const { late, syncs } = lateSyncs(t)
  const io = new FileIo({ fd: -1, files: late })
  const ends: string[] = []
  io.flush(() => void ends.push('early'))
  io.flush(() => void ends.push('late'))
  syncs.shift()!(0)
  t.deepEqual(ends, ['early'])
  syncs.shift()!(0)
  t.deepEqual(ends, ['early', 'late'])
})

test('an overlay whose flush failed does not name what may be lost, not even at its end', async (t) => {
  const { files, late, syncs, image, directory, keep } = lateSyncs(t)
  const [path, base] = [`${directory}/overlay`, image('base', pattern(8192))]
  const disk = openPersistentDisk(path, base, late)
  t.is(await write(disk, 0, pattern(512, 2)), 0)
  const flushed = ask(disk, (done) => disk.flush(done))
  syncs.shift()!(-EIO)
  t.is(await flushed, EIO)
  t.throws(() => disk.close(), { code: 'EIO' })
  const again = keep(openPersistentDisk(path, base, files))
  t.deepEqual(await readAll(again, 0, 512), pattern(8192).slice(0, 512))
})
