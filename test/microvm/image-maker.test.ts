import { chmodSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { findMaker } from '../../src/microvm/image-maker.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

test('the maker is the first program of that name on the search path', (t) => {
  const directory = temporaryDirectory(t)
  for (const name of ['a', 'b', 'c', 'd']) mkdirSync(join(directory, name))
  mkdirSync(join(directory, 'b/mk'))
  writeFileSync(join(directory, 'c/mk'), 'no program')
  writeFileSync(join(directory, 'd/mk'), '#!/bin/sh\n')
  chmodSync(join(directory, 'd/mk'), 0o755)
  const path = ['a', 'b', 'c', 'd'].map((name) => join(directory, name)).join(':')
  t.is(findMaker('mk', path)?.path, join(directory, 'd/mk'))
  t.is(findMaker('mk', join(directory, 'a')), undefined)
  t.is(findMaker(join(directory, 'd/mk'), '')?.path, join(directory, 'd/mk'))
})

test('another version of the maker is another maker', (t) => {
  const path = join(temporaryDirectory(t), 'mk')
  writeFileSync(path, '#!/bin/sh\n', { mode: 0o755 })
  const one = findMaker(path)?.stamp
  t.is(findMaker(path)?.stamp, one)
  utimesSync(path, 1, 1)
  t.not(findMaker(path)?.stamp, one)
})
