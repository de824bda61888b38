import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { HostError } from '../../src/errors.ts'
import { imageToSave } from '../../src/microvm/snapshot-image.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

function setting(t: ExecutionContext) {
  const base = temporaryDirectory(t)
  const image = join(base, 'image')
  mkdirSync(join(base, 'snapshot'))
  writeFileSync(image, 'files')
  const fd = openSync(image, 'r')
  t.teardown(() => closeSync(fd))
  const { write, unchanging } = imageToSave(fd)
  return { image, write, unchanging, own: join(base, 'snapshot/file.root.erofs') }
}

test('a snapshot has the root image without taking room for it, while the guest runs', (t) => {
  const { image, write, unchanging, own } = setting(t)
  write(own)
  t.is(statSync(own).ino, statSync(image).ino)
  t.true(unchanging)
  rmSync(image)
  t.is(readFileSync(own, 'utf8'), 'files')
})

test('the image is the one that the guest reads, whatever has its name by now', (t) => {
  const { image, write, own } = setting(t)
  renameSync(image, `${image}.moved`)
  writeFileSync(image, 'others')
  write(own)
  t.is(statSync(own).ino, statSync(`${image}.moved`).ino)
})

test('an image that has lost all its names while its guest ran is copied', (t) => {
  const { image, write, own } = setting(t)
  rmSync(image)
  write(own)
  t.is(readFileSync(own, 'utf8'), 'files')
  t.throws(() => write(own), { instanceOf: HostError })
  t.is(readFileSync(own, 'utf8'), 'files')
})
