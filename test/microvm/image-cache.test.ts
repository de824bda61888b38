import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { openFileCache } from '../../src/microvm/image-cache.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const DAY = 24 * 3600

function cache(t: ExecutionContext, bytesMax = 1000) {
  const directory = join(temporaryDirectory(t), 'cache')
  const opened = openFileCache(directory, bytesMax)
  const put = (name: string, bytes = 100) => opened.add(name, async (path) => writeFileSync(path, 'x'.repeat(bytes)))
  const age = (name: string, seconds: number) => {
    const then = Date.now() / 1000 - seconds
    utimesSync(join(directory, name), then, then)
  }
  return { ...opened, put, age, names: () => readdirSync(directory).sort() }
}

test('a file is there under its name once it is complete, and not before', async (t) => {
  const { add, find, names } = cache(t)
  t.is(find('a'), undefined)
  const path = await add('a', async (temporary) => {
    writeFileSync(temporary, 'half')
    t.is(find('a'), undefined)
    writeFileSync(temporary, 'whole')
  })
  t.is(find('a'), path)
  t.is(readFileSync(path, 'utf8'), 'whole')
  t.deepEqual(names(), ['a'])
})

test('a file that could not be made leaves nothing', async (t) => {
  const { add, names } = cache(t)
  const failing = add('a', async (temporary) => {
    writeFileSync(temporary, 'half')
    throw new Error('no room')
  })
  await t.throwsAsync(failing, { message: 'no room' })
  t.deepEqual(names(), [])
})

test('past the limit the files go that were of no use for longest, and never the one just made', async (t) => {
  const { put, find, age, names } = cache(t, 250)
  await put('old')
  await put('used')
  age('old', 2 * DAY)
  age('used', 3 * DAY)
  find('used')
  await put('new')
  t.deepEqual(names(), ['new', 'used'])
  await put('huge', 5000)
  t.deepEqual(names(), ['huge'])
})

test('what a maker left that died is removed after a while; one at work is left alone', async (t) => {
  const { put, directory, names, age } = cache(t)
  for (const name of ['a.1.abc.new', 'b.2.def.new']) writeFileSync(join(directory, name), 'half')
  age('a.1.abc.new', DAY)
  for (const name of ['d.3.abc.new', 'e.4.def.new']) {
    mkdirSync(join(directory, name))
    writeFileSync(join(directory, name, 'part'), 'half')
  }
  age('d.3.abc.new', DAY)
  await put('c')
  t.deepEqual(names(), ['b.2.def.new', 'c', 'e.4.def.new'])
})

test('the directory is its owner’s alone, and what is no file in it is no hit', (t) => {
  const { directory, find } = cache(t)
  t.is(statSync(directory).mode & 0o777, 0o700)
  mkdirSync(join(directory, 'a'))
  t.is(find('a'), undefined)
  t.true(existsSync(join(directory, 'a')))
})

test('a file with a second name stays, which a snapshot gave it: to remove it would free nothing', async (t) => {
  const { put, directory, age, names } = cache(t, 250)
  await put('kept')
  await put('old')
  linkSync(join(directory, 'kept'), join(directory, '../snapshot'))
  age('kept', 2 * DAY)
  age('old', DAY)
  await put('new', 200)
  t.deepEqual(names(), ['kept', 'new'])
})

test('of a file with a second name the times stay: by them a snapshot knows that it is as it was', async (t) => {
  const { put, directory, age, find } = cache(t)
  await put('kept')
  age('kept', DAY)
  linkSync(join(directory, 'kept'), join(directory, '../snapshot'))
  const times = () => {
    const { mtimeNs, ctimeNs } = statSync(join(directory, 'kept'), { bigint: true })
    return [mtimeNs, ctimeNs]
  }
  const before = times()
  t.truthy(find('kept'))
  t.deepEqual(times(), before)
})
