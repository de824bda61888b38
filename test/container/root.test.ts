import { chmodSync, lstatSync, mkdirSync, readdirSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { prepareRoot } from '../../src/container/root.ts'
import { cgroupKey, runtimeId } from '../../src/container/sweep.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const at = (path: string, typed: string, cwd = '/') =>
  busyboxSpec([], { source: { kind: 'program', hostPath: '/bin/busybox', path }, program: path, argv: [typed], cwd })

const prepare = (t: ExecutionContext, spec: ReturnType<typeof busyboxSpec>) => {
  const directory = temporaryDirectory(t)
  return { directory, ...prepareRoot(spec, directory) }
}

test('a given root is a link to it below an empty layer with its owner and mode', (t) => {
  const given = temporaryDirectory(t)
  chmodSync(given, 0o710)
  const { directory, mounts } = prepare(t, busyboxSpec([], { source: { kind: 'rootfs', directory: given } }))
  t.is(readlinkSync(join(directory, 'lower')), given)
  t.is(statSync(join(directory, 'upper')).mode & 0o7777, 0o710)
  t.deepEqual(readdirSync(join(directory, 'upper')), [])
  t.deepEqual(mounts, [])
})

test('a single program is bound read-only at its path, over a small tree with a /tmp for all', (t) => {
  const { directory, mounts, program } = prepare(t, at('/home/me/prog', '/home/me/prog'))
  t.like(mounts[0], { source: '/bin/busybox', destination: '/home/me/prog' })
  t.is(program, '/home/me/prog')
  t.is(statSync(join(directory, 'lower/tmp')).mode & 0o7777, 0o1777)
})

test('argv[0] stays as typed: a link leads from there to the program', (t) => {
  const { directory, program } = prepare(t, at('/home/me/prog', './prog'))
  t.is(program, './prog')
  t.is(readlinkSync(join(directory, 'lower/prog')), '/home/me/prog')
  const inTmp = prepare(t, at('/home/me/prog', '../bin/prog', '/tmp/work'))
  t.is(readlinkSync(join(inTmp.directory, 'lower/tmp/bin/prog')), '/home/me/prog')
})

test('no link is made where it would lead nowhere or lie in the way', (t) => {
  t.is(prepare(t, at('/bin/prog', './bin/prog')).program, './bin/prog')
  t.is(prepare(t, at('/home/me/prog', './home')).program, '/home/me/prog')
  t.is(prepare(t, at('/home/me/prog', './proc/prog')).program, '/home/me/prog')
  const { directory, program } = prepare(t, at('/home/me/tmp', './tmp'))
  t.is(program, '/home/me/tmp')
  t.true(lstatSync(join(directory, 'lower/tmp')).isDirectory())
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
  t.not(cgroupKey('web', '/run/cloister/instances/web'), cgroupKey('web', '/tmp/other/instances/web'))
  t.is(cgroupKey('web', '/x'), cgroupKey('web', '/x'))
  t.is(runtimeId('a b/../c'), 'a_b_.._c')
})
