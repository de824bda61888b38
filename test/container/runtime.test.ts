import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { findRuntimes, isHostRefusal, logErrors, noRuntimeError, type OciRuntime } from '../../src/container/runtime.ts'
import { runtimeNotes } from '../../src/container/runtime-notes.ts'
import type { CgroupLayout } from '../../src/host/cgroup-layout.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const layout = (kind: CgroupLayout['kind']): CgroupLayout => ({ kind, mounts: [] })

/** A PATH directory with both runtimes, found before the host's own. */
function installed(t: ExecutionContext): string {
  const directory = temporaryDirectory(t)
  for (const name of ['crun', 'runc']) {
    writeFileSync(join(directory, name), '#!/bin/false\n')
    chmodSync(join(directory, name), 0o755)
  }
  return directory
}

const names = (runtimes: readonly OciRuntime[]) => runtimes.map(({ name }) => name)

test('crun comes first on a v2 host, runc on v1 and hybrid ones', (t) => {
  const path = installed(t)
  t.deepEqual(names(findRuntimes(layout('v2'), path)), ['crun', 'runc'])
  t.deepEqual(names(findRuntimes(layout('v1'), path)), ['runc', 'crun'])
  t.deepEqual(names(findRuntimes(layout('hybrid'), path)), ['runc', 'crun'])
})

test('only an executable file counts as a runtime, and relative parts of PATH are passed over', (t) => {
  const path = installed(t)
  chmodSync(join(path, 'crun'), 0o644)
  mkdirSync(join(path, 'sub'))
  mkdirSync(join(path, 'sub/runc'))
  const found = findRuntimes(layout('v1'), `.:${join(path, 'sub')}:${path}`)
  t.is(found.find(({ name }) => name === 'runc')?.path, join(path, 'runc'))
  t.false(found.some((runtime) => runtime.path === join(path, 'crun')))
})

test('a refusal is remembered for this boot, and forgotten when the runtime is upgraded', (t) => {
  const path = installed(t)
  const file = join(path, 'refusals.json')
  const [runc] = findRuntimes(layout('v1'), path)
  runtimeNotes(file).add(runc!, 'cgroups in hybrid mode not supported')
  t.is(runtimeNotes(file).reasonOf(runc!), 'cgroups in hybrid mode not supported')
  if (!runc?.path.startsWith(path)) return t.fail(`found ${runc?.path}`)
  writeFileSync(runc.path, '#!/bin/false # newer\n')
  const [upgraded] = findRuntimes(layout('v1'), path)
  t.is(runtimeNotes(file).reasonOf(upgraded!), undefined)
})

test('the version in words is asked once and again after an upgrade', (t) => {
  const path = installed(t)
  const file = join(temporaryDirectory(t), 'notes.json')
  const [runc] = findRuntimes(layout('v1'), path)
  // What follows writes to that file.
  if (!runc?.path.startsWith(path)) return t.fail(`found ${runc?.path}`)
  const says = (version: string) => writeFileSync(runc.path, `#!/bin/sh\necho runc version ${version}\n`)
  says('1.1.5')
  const [first] = findRuntimes(layout('v1'), path)
  t.is(runtimeNotes(file).versionOf(first!), '1.1.5')
  says('1.2.0-rc.1')
  t.is(runtimeNotes(file).versionOf(first!), '1.1.5')
  const [second] = findRuntimes(layout('v1'), path)
  t.is(runtimeNotes(file).versionOf(second!), '1.2.0-rc.1')
})

test('a file of refusals that is not ours or of another boot says nothing', (t) => {
  const file = join(temporaryDirectory(t), 'refusals.json')
  const runtime: OciRuntime = { name: 'crun', path: '/usr/bin/crun', version: '1' }
  for (const content of [
    '',
    'null',
    '{',
    '[]',
    '{"bootId":"another","runtimes":[{"reason":"x","path":"/usr/bin/crun","version":"1"}]}',
  ]) {
    writeFileSync(file, content)
    t.is(runtimeNotes(file).reasonOf(runtime), undefined, content)
  }
})

test('only words about the host count as its refusal', (t) => {
  t.true(isHostRefusal('cgroups in hybrid mode not supported, drop all controllers from cgroupv2'))
  t.false(isHostRefusal('exec: "prog": executable file not found in $PATH'))
})

test('where nothing works the error names the package to install', (t) => {
  t.regex(noRuntimeError([]).hint ?? '', /apt-get install runc/)
  const refused = noRuntimeError([{ name: 'crun', reason: 'no' }])
  t.regex(refused.message, /crun says "no"/)
  t.regex(refused.hint ?? '', /apt-get install runc/)
  t.is(refused.exitCode, 125)
})

test('errors are found in a log in the words of both runtimes, whatever else is there', (t) => {
  const runc = '{"level":"error","msg":"runc run failed: no","time":"2025-01-01T00:00:00Z"}'
  const crun = '{"msg":"cgroups in hybrid mode not supported","level":"error","time":"2025-01-01T00:00:00.1Z"}'
  const warning = '{"level":"warning","msg":"be careful"}'
  t.deepEqual(logErrors([warning, runc, 'panic: x', crun, ''].join('\n')), [
    'runc run failed: no',
    'cgroups in hybrid mode not supported',
  ])
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) =>
      logErrors(text).every((error) => typeof error === 'string'),
    ),
  )
})
