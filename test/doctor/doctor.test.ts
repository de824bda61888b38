import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { findRuntimes } from '../../src/container/runtime.ts'
import { fail, pass, warn } from '../../src/doctor/check.ts'
import { examine } from '../../src/doctor/doctor.ts'
import { measureKernelModeSpeed } from '../../src/doctor/kernel-mode-speed.ts'
import { openingRemedy } from '../../src/doctor/kvm.ts'
import { missingCapabilities, tryVm } from '../../src/doctor/try-vm.ts'
import { kvmBackend } from '../../src/host/kvm-backend.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { kvmTest } from '../helpers/kvm.ts'

test('checks run in order, and one that breaks says so in its own line', async (t) => {
  const findings = await examine([
    { id: 'a', title: 'A', run: () => pass('fine', { count: 1 }) },
    { id: 'b', title: 'B', run: () => Promise.reject(new Error('boom')) },
    { id: 'c', title: 'C', run: async () => warn('so so', 'mend it') },
    { id: 'd', title: 'D', run: () => fail('bad', 'mend that') },
  ])
  t.deepEqual(
    findings.map(({ id, status }) => `${id} ${status}`),
    ['a pass', 'b fail', 'c warn', 'd fail'],
  )
  t.is(findings[1]?.detail, 'cannot be checked: boom')
  t.deepEqual(findings[0]?.facts, { count: 1 })
})

test('the backend is named by the module that is loaded', (t) => {
  const modules = temporaryDirectory(t)
  t.is(kvmBackend(modules), undefined)
  mkdirSync(join(modules, 'kvm_pvm'))
  t.like(kvmBackend(modules), { module: 'kvm_pvm', hardware: false })
  mkdirSync(join(modules, 'kvm_amd'))
  t.like(kvmBackend(modules), { module: 'kvm_amd', hardware: true })
})

test('to join a group is the remedy only where the device has one that may open it', (t) => {
  t.is(
    openingRemedy({ mode: 0o20660, gid: 104 }, 'kvm'),
    'Join its group, then log in anew: sudo usermod -aG kvm $USER',
  )
  t.regex(openingRemedy({ mode: 0o20660, gid: 36 }, 'virt'), /usermod -aG virt /)
  for (const [device, group] of [
    [{ mode: 0o20600, gid: 0 }, 'root'],
    [{ mode: 0o20660, gid: 0 }, 'root'],
    [{ mode: 0o20600, gid: 104 }, 'kvm'],
    [{ mode: 0o20660, gid: 104 }, undefined],
  ] as const) {
    t.regex(openingRemedy(device, group), /as root, or .*chgrp kvm \/dev\/kvm && sudo chmod 660/)
  }
})

test('an entry of PATH that cannot be looked at holds no runtime, and no error', (t) => {
  const unsearchable = `/${'x'.repeat(300)}`
  t.deepEqual(findRuntimes({ kind: 'none', mounts: [] }, unsearchable), findRuntimes({ kind: 'none', mounts: [] }, ''))
})

test('a KVM device that cannot be opened is an answer, not an exception', (t) => {
  t.regex(tryVm('/nowhere/kvm').error ?? '', /ENOENT/)
  t.truthy(tryVm('/dev/null').error)
  t.true(missingCapabilities(new Map()).includes('KVM_CAP_IRQFD'))
})

kvmTest('a host whose KVM makes VMs is said to, with every capability that the machine needs', (t) => {
  const { error, apiVersion, capabilities } = tryVm()
  t.is(error, undefined)
  t.is(apiVersion, 12)
  t.deepEqual(missingCapabilities(capabilities), [])
})

kvmTest('the speed of kernel mode is measured by a loop that really runs to its end', (t) => {
  const speed = measureKernelModeSpeed()
  t.true(Number.isFinite(speed) && speed > 1000, `${speed}`)
})
