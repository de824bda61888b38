import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { delegatedCgroup } from '../../src/host/cgroup-delegation.ts'
import type { CgroupLayout } from '../../src/host/cgroup-layout.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

/** A directory that looks like the part of a v2 tree that systemd gives a user. */
function tree(t: ExecutionContext): { layout: CgroupLayout; app: string } {
  const mountPoint = temporaryDirectory(t)
  const app = join(mountPoint, 'user@1000.service/app.slice')
  mkdirSync(join(app, 'shell.scope'), { recursive: true })
  for (const file of ['cgroup.procs', 'cgroup.subtree_control']) writeFileSync(join(app, file), '')
  writeFileSync(join(app, 'cgroup.controllers'), 'cpu memory pids\n')
  return { layout: { kind: 'v2', mounts: [{ version: 2, mountPoint, controllers: [] }] }, app }
}

const OWN = '0::/user@1000.service/app.slice/shell.scope\n'

test('new groups go beside our own, where the tree above was given to us', (t) => {
  t.deepEqual(delegatedCgroup(tree(t).layout, OWN), {
    parent: '/user@1000.service/app.slice',
    controllers: ['cpu', 'memory', 'pids'],
  })
})

test('outside of such a tree there is none', (t) => {
  const { layout } = tree(t)
  t.is(delegatedCgroup(layout, '0::/\n'), undefined)
  t.is(delegatedCgroup(layout, '0::/init.scope\n'), undefined)
  t.is(delegatedCgroup(layout, '0::/user.slice/session-1.scope\n'), undefined)
  t.is(delegatedCgroup(layout, '8:pids:/user\n'), undefined)
  t.is(delegatedCgroup({ ...layout, kind: 'hybrid' }, OWN), undefined)
})

const ordinaryTest = process.geteuid?.() === 0 ? test.skip : test

ordinaryTest('a tree that we may make groups in, but move no process through, is none', (t) => {
  const { layout, app } = tree(t)
  chmodSync(join(app, 'cgroup.procs'), 0o444)
  t.is(delegatedCgroup(layout, OWN), undefined)
})
