import { closeSync, openSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { createPoolFiles } from '../../../src/backends/disk/pool-files.ts'
import { IoVector } from '../../../src/memory/io-vector.ts'
import { diskFiles, pattern } from '../../helpers/disk-files.ts'

const ECANCELED = 125
const SIZE = 2 ** 20

const setUp = (t: ExecutionContext) => {
  const { image, keep } = diskFiles(t)
  const files = createPoolFiles()
  const open = (name: string) => {
    const fd = openSync(image(name, pattern(SIZE)), 'r+')
    keep({ close: () => closeSync(fd) })
    return fd
  }
  const vectorOver = (bytes: Uint8Array) => {
    const vector = new IoVector()
    vector.pack([bytes])
    return vector
  }
  const read = (fd: number, into: Uint8Array) =>
    new Promise<number>((resolve) => files.preadv(fd, vectorOver(into), 0, resolve))
  return { files, open, read }
}

test('a read under way on a thread writes nothing any more into memory that was taken back', async (t) => {
  const { files, open, read } = setUp(t)
  const fd = open('file')
  const into = new Uint8Array(SIZE)
  const end = read(fd, into)
  files.drain(fd)
  const atReturn = into.slice()
  t.is(await end, -ECANCELED)
  t.is(Buffer.compare(into, atReturn), 0)
})

test('what waits for the thread ends at once when its memory is taken back, and what is another disk’s goes on', async (t) => {
  const { files, open, read } = setUp(t)
  const [mine, other] = [open('mine'), open('other')]
  const into = new Uint8Array(SIZE)
  const first = read(other, into)
  const ends: number[] = []
  for (let count = 0; count < 3; count++) files.fdatasync(mine, (result) => void ends.push(result))
  const last = read(other, new Uint8Array(512))
  files.drain(mine)
  t.deepEqual(ends, [-ECANCELED, -ECANCELED, -ECANCELED])
  t.is(await first, SIZE)
  t.is(Buffer.compare(into, pattern(SIZE)), 0)
  t.is(await last, 512)
})
