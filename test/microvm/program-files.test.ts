import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { RunSpec } from '../../src/instance/run-spec.ts'
import { programFiles } from '../../src/microvm/program-files.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const asked = (program: string) => ({ program, cwd: '/', env: ['PATH=/sbin:/bin'] }) as unknown as RunSpec

test('the file of a single program is that program, at its path inside', (t) => {
  t.deepEqual(programFiles({ kind: 'program', hostPath: '/x/prog', path: '/opt/prog' }, asked('/opt/prog')), [
    '/opt/prog',
  ])
})

test('in a root directory it is the file that the program’s links lead to, inside', (t) => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'bin'))
  writeFileSync(join(directory, 'bin/busybox'), '')
  symlinkSync('/bin/busybox', join(directory, 'bin/sh'))
  const source = { kind: 'rootfs', directory } as const
  for (const program of ['sh', '/bin/sh', 'bin/sh', 'busybox']) {
    t.deepEqual(programFiles(source, asked(program)), ['/bin/busybox'], program)
  }
  t.deepEqual(programFiles(source, asked('nothing')), [])
})
