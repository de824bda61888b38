import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import type { CpuPolicy } from '../../src/machine/cpu-policy.ts'
import { suggestAndApply } from '../../src/machine/vcpu-setup.ts'
import { policyMemory } from '../../src/vmm/policy-memory.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'

const POLICY = { schema: 'cloister-cpu-policy/1', cpus: 1, cpuid: [], apicId: [], msrs: [], changes: [] } as CpuPolicy

test('a policy is recalled on the host that it was remembered on, and on no other', (t) => {
  const file = join(temporaryDirectory(t), 'policy.json')
  const here = policyMemory(file, 'this host')
  t.is(here.recall(), undefined)
  here.remember(POLICY)
  t.deepEqual(here.recall(), POLICY)
  t.is(statSync(file).mode & 0o777, 0o600)
  t.is(policyMemory(file, 'another boot').recall(), undefined)
})

test('a damaged file is as good as none, and one that cannot be written is no fault', (t) => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'policy.json'), '{"host": "this')
  t.is(policyMemory(join(directory, 'policy.json'), 'this host').recall(), undefined)
  policyMemory(join(directory, 'nowhere/policy.json'), 'this host').remember(POLICY)
  t.false(existsSync(join(directory, 'nowhere')))
})

kvmTestSerial('what a vCPU gets from memory is what it gets without; a policy that KVM refuses is made anew', (t) => {
  const file = join(temporaryDirectory(t), 'policy.json')
  const memory = policyMemory(file, 'this host')
  const kvm = KvmSystem.open()
  const vm = kvm.createVm()
  vm.createIrqchip()
  const vcpu = vm.createVcpu(0)
  t.teardown(() => {
    for (const each of [vcpu, vm, kvm]) each.close()
  })
  const suggested = suggestAndApply(kvm, vcpu, 1, memory)
  const table = vcpu.getCpuid2()
  t.deepEqual(suggestAndApply(kvm, vcpu, 1, memory), suggested)
  t.deepEqual(vcpu.getCpuid2(), table)

  const noSuchMsr = { name: 'none', index: '0xdeadbeef', value: '0x1', why: '' } as const
  writeFileSync(file, JSON.stringify({ host: 'this host', policy: { ...suggested, msrs: [noSuchMsr] } }))
  t.deepEqual(suggestAndApply(kvm, vcpu, 1, memory), suggested)
  t.deepEqual(JSON.parse(readFileSync(file, 'utf8')).policy, suggested)
})
