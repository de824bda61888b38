import { mkdirSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { nameMounts } from '../../src/container/names.ts'
import { prepareRoot } from '../../src/container/root.ts'
import { runtimeId } from '../../src/container/sweep.ts'
import { instanceKey } from '../../src/host/cgroup.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const at = (path: string, typed: string, cwd = '/') =>
  busyboxSpec([], { source: { kind: 'program', hostPath: '/bin/busybox', path }, program: path, argv: [typed], cwd })

const prepare = (t: ExecutionContext, spec: ReturnType<typeof busyboxSpec>) => {
  const directory = temporaryDirectory(t)
  return { directory, mounts: prepareRoot(spec, directory) }
}

test('a given root is a link to it, and nothing is mounted for it', (t) => {
  const given = temporaryDirectory(t)
  const { directory, mounts } = prepare(t, busyboxSpec([], { source: { kind: 'rootfs', directory: given } }))
  t.is(readlinkSync(join(directory, 'lower')), given)
  t.deepEqual(readdirSync(directory).sort(), ['lower', 'root', 'writable'])
  t.deepEqual(mounts, [])
})

test('a single program is bound read-only at its path, over a small tree with a /tmp for all', (t) => {
  const { directory, mounts } = prepare(t, at('/home/me/prog', '/home/me/prog'))
  t.like(mounts[0], { source: '/bin/busybox', destination: '/home/me/prog' })
  t.is(statSync(join(directory, 'lower/tmp')).mode & 0o7777, 0o1777)
})

test('a root that is no directory is refused', (t) => {
  const file = join(temporaryDirectory(t), 'nothing-here')
  t.throws(() => prepare(t, busyboxSpec([], { source: { kind: 'rootfs', directory: file } })), {
    message: /not a directory/,
  })
  mkdirSync(file)
  t.notThrows(() => prepare(t, busyboxSpec([], { source: { kind: 'rootfs', directory: file } })))
})

test('instances of one name in two state roots have control groups of their own', (t) => {
  t.not(instanceKey('web', '/run/cloister/instances/web'), instanceKey('web', '/tmp/other/instances/web'))
  t.is(instanceKey('web', '/x'), instanceKey('web', '/x'))
  t.is(runtimeId('a b/../c'), 'a_b_.._c')
})

test('its name is in /etc/hostname, but for a root that has something else in the place of the file', (t) => {
  const given = temporaryDirectory(t)
  const destinations = () =>
    nameMounts(busyboxSpec([], { source: { kind: 'rootfs', directory: given } }), temporaryDirectory(t)).map(
      ({ destination }) => destination,
    )
  t.deepEqual(destinations(), ['/etc/hostname'])
  writeFileSync(join(given, 'etc'), '')
  t.deepEqual(destinations(), [])
  rmSync(join(given, 'etc'))
  mkdirSync(join(given, 'etc/hostname'), { recursive: true })
  t.deepEqual(destinations(), [])
})
