import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { HostError } from '../../src/errors.ts'
import { heldImage, holdImage } from '../../src/microvm/snapshot-image.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

function setting(t: ExecutionContext) {
  const base = temporaryDirectory(t)
  const [image, directory] = [join(base, 'image'), join(base, 'snapshot')]
  mkdirSync(directory)
  writeFileSync(image, 'files')
  const fd = openSync(image, 'r')
  t.teardown(() => closeSync(fd))
  const gone = () => {
    throw new HostError('it is not in the cache any more')
  }
  return { image, directory, fd, gone, own: join(directory, 'root.erofs') }
}

test('a snapshot holds its root image without taking room, and goes on with it when the cache has dropped it', (t) => {
  const { image, directory, fd, gone, own } = setting(t)
  holdImage(image, fd, directory)
  t.is(statSync(own).ino, statSync(image).ino)
  t.is(
    heldImage('name', directory, () => image),
    image,
  )
  rmSync(image)
  t.is(heldImage('name', directory, gone), own)
  t.is(readFileSync(own, 'utf8'), 'files')
})

test('an image that the cache has dropped while its guest ran is copied', (t) => {
  const { image, directory, fd, gone, own } = setting(t)
  rmSync(image)
  holdImage(image, fd, directory)
  t.is(readFileSync(heldImage('name', directory, gone), 'utf8'), 'files')
  t.throws(() => holdImage(image, fd, directory), { instanceOf: HostError })
  t.is(readFileSync(own, 'utf8'), 'files')
})

test('what is neither in the cache nor a file of the snapshot is missed', (t) => {
  const { image, directory, gone, own } = setting(t)
  t.throws(() => heldImage('name', directory, gone), { message: /not in the cache/ })
  symlinkSync(image, own)
  t.throws(() => heldImage('name', directory, gone), { message: /not in the cache/ })
})
