import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { RunSpec } from '../../src/instance/run-spec.ts'
import { type WarmFacts, warmKey } from '../../src/microvm/warm-key.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const SPEC: RunSpec = {
  name: 'web',
  isolation: 'microvm',
  source: { kind: 'program', hostPath: '/bin/true', path: '/bin/true' },
  program: '/bin/true',
  argv: ['true'],
  env: ['A=1'],
  cwd: '/',
  memoryBytes: 128 * 2 ** 20,
  cpus: 1,
  interactive: false,
}
const FACTS: WarmFacts = { spec: SPEC, digest: 'abc', files: [], host: 'here' }
const keyOf = (spec: Partial<RunSpec>, facts: Partial<WarmFacts> = {}) =>
  warmKey({ ...FACTS, ...facts, spec: { ...SPEC, ...spec } })
const disk = (readOnly: boolean) => ({ path: '/d.img', readOnly })

test('what a guest is given after its boot makes no other guest of it', (t) => {
  const key = keyOf({})
  t.regex(key ?? '', /^[0-9a-f]{40}$/)
  t.is(keyOf({ name: 'other', argv: ['x'], env: [], cwd: '/tmp', interactive: true, tty: true, program: '/x' }), key)
  t.is(keyOf({ source: { kind: 'rootfs', directory: '/srv' }, user: { uid: 1, gid: 1 } }), key)
})

test('every part that a boot depends on makes another', (t) => {
  const volume = { source: '/a', target: '/b', readOnly: true }
  const keys = [
    keyOf({}),
    keyOf({ memoryBytes: 64 * 2 ** 20 }),
    keyOf({ cpus: 2 }),
    keyOf({ append: 'quiet' }),
    keyOf({ disks: [disk(true)] }),
    keyOf({ disks: [disk(false)] }),
    keyOf({ disks: [disk(false), disk(true)] }),
    keyOf({ volumes: [volume] }),
    keyOf({ network: { kind: 'network', name: 'n1' } }),
    keyOf({}, { digest: 'abd' }),
    keyOf({}, { host: 'there' }),
    keyOf({}, { modules: 'a 1 2' }),
    keyOf({}, { modules: 'a 1 3' }),
  ]
  t.is(new Set(keys).size, keys.length)
  t.is(keyOf({ network: { kind: 'network', name: 'n2' } }), keyOf({ network: { kind: 'network', name: 'n1' } }))
})

test('a file that it boots from counts by its content', (t) => {
  const directory = temporaryDirectory(t)
  const named = (name: string, content: string) => {
    writeFileSync(join(directory, name), content)
    return keyOf({}, { files: [join(directory, name)] })
  }
  const one = named('a', 'one')
  t.is(named('a', 'one'), one)
  t.is(named('b', 'one'), one)
  t.not(named('a', 'two'), one)
})

test('no guest goes on from another’s boot when asked not to, when its exits are watched, or on a tap of the user’s', (t) => {
  t.is(keyOf({ cold: true }), undefined)
  t.is(keyOf({ trace: { kind: 'exits' } }), undefined)
  t.is(keyOf({ network: { kind: 'tap', name: 'tap0' } }), undefined)
  t.not(keyOf({ network: { kind: 'none' } }), undefined)
})

test('where a file that it boots from cannot be read, nothing is gone on from: the boot says what is wrong', (t) => {
  t.is(keyOf({}, { files: [join(temporaryDirectory(t), 'nowhere')] }), undefined)
})
