import { resolve } from 'node:path'
import test from 'ava'
import { parseDisks } from '../../src/cli/parse-disks.ts'

const parse = (...asked: string[]) => parseDisks(asked, 'unikernel')

test('a disk is a path, taken relative to the working directory', (t) => {
  t.deepEqual(parse('a.img', '/b.img'), [
    { path: resolve('a.img'), readOnly: false },
    { path: '/b.img', readOnly: false },
  ])
})

test('what follows the last colon says how a disk is attached, if it is one of the words that do', (t) => {
  t.deepEqual(parse('/a:ro'), [{ path: '/a', readOnly: true }])
  t.deepEqual(parse('/a:cow'), [{ path: '/a', readOnly: false, copyOnWrite: true }])
  t.deepEqual(parse('/a:base=b'), [{ path: '/a', readOnly: false, base: resolve('b') }])
  t.deepEqual(parse('/disk:1:ro'), [{ path: '/disk:1', readOnly: true }])
  t.deepEqual(parse('/disk:1'), [{ path: '/disk:1', readOnly: false }])
  t.deepEqual(parse('/a:base=/b:c'), [{ path: '/a', readOnly: false, base: '/b:c' }])
})

test('a disk without a file is refused', (t) => {
  for (const asked of ['', ':ro', ':cow', ':base=/b', '/a:base='])
    t.throws(() => parse(asked), { name: 'UsageError', message: /names no file/ }, asked)
})

test('words that contradict or repeat each other are no part of a file name: the one too many is named', (t) => {
  for (const [asked, suffix] of [
    ['/a:ro:base=/b', ':ro'],
    ['/a:ro:cow', ':ro'],
    ['/a:cow:ro', ':cow'],
    ['/a:ro:ro', ':ro'],
    ['/a:cow:base=/b', ':cow'],
    ['/a:base=/b:ro', ':base=/b'],
    ['/a:base=/b:cow', ':base=/b'],
    ['/a:base=/b:base=/c', ':base=/b'],
    ['/a:bps=1M:ro', ':bps=1M'],
    ['/a:iops=9:base=/b:bps=1M', ':iops=9'],
    ['/a:bps=1M:base=/b', ':bps=1M'],
  ] as const)
    t.throws(() => parse(asked), { name: 'UsageError', message: new RegExp(`"${suffix}"`) }, asked)
})

test('a file whose name ends in such a word is reached by a path that ends otherwise', (t) => {
  t.deepEqual(parse('/a:ro/.'), [{ path: '/a:ro', readOnly: false }])
  t.deepEqual(parse('/a:ro/.:cow'), [{ path: '/a:ro', readOnly: false, copyOnWrite: true }])
  t.deepEqual(parse('/a:ro/b:ro'), [{ path: '/a:ro/b', readOnly: true }])
})

test('a container gets no disk', (t) => {
  t.throws(() => parseDisks(['/a'], 'container'), { name: 'UsageError', message: /container/ })
  t.deepEqual(parseDisks([], 'container'), [])
})

test('a file that one disk writes is not another disk of the same VM', (t) => {
  for (const asked of [
    ['/a', '/a'],
    ['/a', '/a:ro'],
    ['/a', './../../../../../../../../../../../a:cow'],
    ['/a', '/b:base=/a'],
  ])
    t.throws(() => parse(...asked), { name: 'UsageError', message: /Cannot attach \/a twice/ }, asked.join(' '))
  t.is(parse('/a:ro', '/a:ro', '/a:cow', '/b:base=/a').length, 4)
})

test('nine disks are more than a virtual machine takes', (t) => {
  const asked = Array.from({ length: 9 }, (_, index) => `/${index}`)
  t.throws(() => parse(...asked), { name: 'UsageError', message: /9 disks/ })
  t.is(parse(...asked.slice(1)).length, 8)
})
