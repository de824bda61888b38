import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { examineGuestLinux } from '../../src/doctor/guest-linux.ts'
import { guestLinux, linuxFlavour } from '../../src/microvm/guest-linux.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

test('a Linux that is built is named with its release and its path', (t) => {
  const folder = join(temporaryDirectory(t), 'cd'.repeat(32))
  mkdirSync(folder)
  const path = join(folder, 'vmlinux')
  writeFileSync(path, 'kernel')
  writeFileSync(join(folder, 'release'), '6.1.192\n')
  const { status, detail, facts } = examineGuestLinux(() => guestLinux(undefined, () => path))
  t.is(status, 'pass')
  t.true(detail.startsWith(linuxFlavour()))
  t.true(detail.endsWith(`6.1.192, ${path}`))
  t.like(facts, { built: true, release: '6.1.192', digest: 'cd'.repeat(32) })
})

test('a Linux that is not built is a drawback with a remedy, no failure: other levels run without it', (t) => {
  const nowhere = join(temporaryDirectory(t), 'vmlinux')
  const { status, remedy, facts } = examineGuestLinux(() => guestLinux(undefined, () => nowhere))
  t.is(status, 'warn')
  t.regex(remedy ?? '', /make linux$/)
  t.like(facts, { flavour: linuxFlavour(), built: false })
})
