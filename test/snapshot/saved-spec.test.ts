/** What an instance was asked to run, as a snapshot keeps it. */
import test from 'ava'
import fc from 'fast-check'
import { HostError } from '../../src/errors.ts'
import { readSavedSpec } from '../../src/snapshot/saved-spec.ts'
import type { Json } from '../../src/virtio/saved-state.ts'
import { altered, choices, hostileValue, how } from '../helpers/hostile-json.ts'

const spec = {
  name: 'web',
  isolation: 'microvm',
  source: { kind: 'rootfs', directory: '/srv/root' },
  program: '/bin/sh',
  argv: ['sh', '-c', 'true'],
  env: ['PATH=/bin'],
  cwd: '/',
  memoryBytes: 2 ** 27,
  cpus: 1,
  interactive: false,
  tty: true,
  user: { uid: 1, gid: 1 },
  volumes: [{ source: '/a', target: '/b', readOnly: true }],
  network: { kind: 'network', name: 'default', rate: { bytesPerSecond: 1000 } },
  disks: [{ path: '/x.img', readOnly: false, copyOnWrite: true }],
}

test('what an instance was asked to run comes back as it was, without what was for that run only', (t) => {
  t.deepEqual(readSavedSpec({ ...spec, from: '/somewhere', trace: { kind: 'exits' }, cold: true }) as unknown, spec)
})

test('anything else in its place is refused', (t) => {
  fc.assert(
    fc.property(choices, hostileValue, how, (path, value, change) => {
      try {
        const read = readSavedSpec(altered(spec as unknown as Json, path, value, change))
        return (
          typeof read.program === 'string' &&
          read.argv.every((word) => typeof word === 'string') &&
          read.cwd.startsWith('/')
        )
      } catch (error) {
        return error instanceof HostError
      }
    }),
    { numRuns: 500 },
  )
  for (const [name, value] of [
    ['name', '../up'],
    ['memoryBytes', 2 ** 60],
    ['cwd', 'relative'],
    ['env', ['A=\0']],
    ['user', { uid: -1, gid: 0 }],
  ] as const)
    t.throws(() => readSavedSpec({ ...spec, [name]: value } as unknown as Json), {
      instanceOf: HostError,
      message: new RegExp(name),
    })
})
