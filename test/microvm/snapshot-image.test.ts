import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { imageToSave } from '../../src/microvm/snapshot-image.ts'
import { CHUNK_BYTES } from '../../src/snapshot/manifest.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const goOn = () => {}

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

test('a snapshot has the root image without taking room for it, while the guest runs', async (t) => {
  const { image, write, unchanging, own } = setting(t)
  await write(own, goOn)
  t.is(statSync(own).ino, statSync(image).ino)
  t.true(unchanging)
  rmSync(image)
  t.is(readFileSync(own, 'utf8'), 'files')
})

test('the image is the one that the guest reads, whatever has its name by now', async (t) => {
  const { image, write, own } = setting(t)
  renameSync(image, `${image}.moved`)
  writeFileSync(image, 'others')
  await write(own, goOn)
  t.is(statSync(own).ino, statSync(`${image}.moved`).ino)
})

test('an image that has lost all its names while its guest ran is copied, over nothing that is there', async (t) => {
  const { image, write, own } = setting(t)
  rmSync(image)
  await write(own, goOn)
  t.is(readFileSync(own, 'utf8'), 'files')
  await t.throwsAsync(async () => write(own, goOn), { code: 'EEXIST' })
  t.is(readFileSync(own, 'utf8'), 'files')
})

test('while it is copied others come in between, and the copy can be called off', async (t) => {
  const { image, write, own } = setting(t)
  const bytes = Buffer.alloc(4 * CHUNK_BYTES + 1, 'files')
  writeFileSync(image, bytes)
  rmSync(image)
  let between = 0
  let steps = 0
  let copying = true
  const others = () => {
    between++
    if (copying) setImmediate(others)
  }
  setImmediate(others)
  await write(own, () => steps++)
  copying = false
  t.true(between >= 4, `${between}`)
  t.true(steps >= 5, `${steps}`)
  t.true(readFileSync(own).equals(bytes))

  rmSync(own)
  const calledOff = new Error('called off')
  const left = () => {
    throw calledOff
  }
  t.is(await t.throwsAsync(async () => write(own, left)), calledOff)
})
