import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { findInRoot } from '../../src/image/root-lookup.ts'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const PATHS = { cwd: '/', searchPath: '/usr/bin:/bin' }

function rootfs(t: ExecutionContext): string {
  const root = join(temporaryDirectory(t), 'root')
  mkdirSync(join(root, 'usr/bin'), { recursive: true })
  mkdirSync(join(root, 'etc'))
  copyFileSync(BUSYBOX, join(root, 'usr/bin/busybox'))
  writeFileSync(join(root, 'etc/passwd'), '')
  symlinkSync('usr/bin', join(root, 'bin'))
  symlinkSync('/usr/bin/busybox', join(root, 'usr/bin/sh'))
  symlinkSync('../../../../../usr/bin/busybox', join(root, 'usr/bin/ash'))
  symlinkSync('self', join(root, 'self'))
  return root
}

test('a path is found as the program inside would find it, over links in any of its parts', (t) => {
  const root = rootfs(t)
  const busybox = join(root, 'usr/bin/busybox')
  for (const path of ['/usr/bin/busybox', '/bin/busybox', '/bin/sh', '/bin/ash', '//bin/../bin/./sh']) {
    t.is(findInRoot(root, path, PATHS), busybox, path)
  }
  t.is(findInRoot(root, 'bin/sh', { ...PATHS, cwd: '/usr' }), busybox)
})

test('a bare name is looked up in PATH', (t) => {
  const root = rootfs(t)
  t.is(findInRoot(root, 'sh', PATHS), join(root, 'usr/bin/busybox'))
  t.is(findInRoot(root, 'passwd', PATHS), undefined)
  t.is(findInRoot(root, 'nowhere', PATHS), undefined)
})

test('what is not there, goes through a file or in circles is not found', (t) => {
  const root = rootfs(t)
  for (const path of ['/nowhere', '/etc/passwd/x', '/self', '/self/x', ''])
    t.is(findInRoot(root, path, PATHS), undefined, path)
})

test('no path and no link leads out of the root', (t) => {
  const root = rootfs(t)
  const part = fc.constantFrom('..', '.', '', 'usr', 'bin', 'etc', 'passwd', 'sh', 'link', 'self', 'hostname')
  const path = fc.array(part, { minLength: 1, maxLength: 8 }).map((parts) => `/${parts.join('/')}`)
  let links = 0
  fc.assert(
    fc.property(path, path, (target, wanted) => {
      const link = `link-${links++}`
      symlinkSync(target, join(root, link))
      const found = findInRoot(root, wanted.replace('link', link), PATHS)
      return found === undefined || found === root || found.startsWith(root + sep) || found === `${root}/`
    }),
    { numRuns: 200 },
  )
  t.pass()
})
