/** Where a guest may go on: the same kind of KVM, and a processor that can all that its programs were told. */
import test from 'ava'
import { HostError } from '../../src/errors.ts'
import type { CpuPolicy } from '../../src/machine/cpu-policy.ts'
import { checkHost, hostFacts, hostStamp } from '../../src/snapshot/host-check.ts'
import type { HostFacts } from '../../src/snapshot/manifest.ts'
import { bootGuest } from '../helpers/guests.ts'
import { kvmTest } from '../helpers/kvm.ts'

const WHAT = 'the snapshot web'
const cpu = {
  vendor: 'AuthenticAMD',
  family: 25,
  model: 1,
  stepping: 1,
  name: 'AMD EPYC',
  flags: ['fpu', 'sse2', 'avx2'],
}
const software: HostFacts = { backend: 'kvm_pvm', hardware: false, kernel: '6.18', cpu }
const amd: HostFacts = { ...software, backend: 'kvm_amd', hardware: true }
const nothing = { cpus: 1, cpuid: [] } as unknown as CpuPolicy

const withFlags = (host: HostFacts, ...flags: string[]): HostFacts => ({ ...host, cpu: { ...cpu, flags } })

test('on a software KVM programs see the processor itself: it must have all that it had', (t) => {
  t.notThrows(() => checkHost(software, nothing, WHAT, software))
  t.notThrows(() => checkHost(software, nothing, WHAT, withFlags(software, 'avx512f', 'avx2', 'sse2', 'fpu')))
  const error = t.throws(() => checkHost(software, nothing, WHAT, withFlags(software, 'fpu')), {
    instanceOf: HostError,
  })
  t.is(
    error?.message,
    "Cannot use the snapshot web on this host: its processor (AMD EPYC) has sse2, avx2, which this host's (AMD EPYC) has not.",
  )
  t.regex((error as HostError).hint ?? '', /take one here/)
})

test('of many missing features the first are named, the others counted', (t) => {
  const rich = withFlags(software, ...Array.from({ length: 20 }, (_, index) => `feature_${index}`))
  t.throws(() => checkHost(rich, nothing, WHAT, software), { message: /feature_7 and 12 more, which/ })
})

test('a software KVM and a hardware one are not exchanged, nor those of two makers', (t) => {
  const intel = { ...amd, backend: 'kvm_intel', cpu: { ...cpu, vendor: 'GenuineIntel' } }
  const cases: [HostFacts, HostFacts, RegExp][] = [
    [software, amd, /taken on a software KVM \(kvm_pvm\), and this host has a hardware KVM \(kvm_amd\)/],
    [amd, software, /taken on a hardware KVM \(kvm_amd\), and this host has a software KVM \(kvm_pvm\)/],
    [amd, { ...amd, backend: 'none' }, /taken on a hardware KVM \(kvm_amd\), and this host has none/],
    [software, { ...software, backend: 'kvm_other' }, /software KVM \(kvm_other\)/],
    [intel, amd, /processor of GenuineIntel \(kvm_intel\), and this host has one of AuthenticAMD \(kvm_amd\)/],
  ]
  for (const [there, here, message] of cases) {
    t.throws(() => checkHost(there, nothing, WHAT, here), { instanceOf: HostError, message })
  }
})

kvmTest('on a hardware KVM it is what the guest was told that counts, not what its processor could', async (t) => {
  const { machine } = await bootGuest('bare/forever')
  const { policy } = machine
  await machine.close()
  const rich = withFlags(amd, 'fpu', 'sse2', 'avx2', 'brandnew')
  t.notThrows(() => checkHost(rich, policy, WHAT, amd))
  const told = policy.cpuid.map((leaf) => (Number(leaf.leaf) === 1 ? { ...leaf, ecx: '0xffffffff' as const } : leaf))
  t.throws(() => checkHost(rich, { ...policy, cpuid: told }, WHAT, amd), {
    instanceOf: HostError,
    message: /has brandnew, which/,
  })
})

kvmTest('this host says what it is, and says the same again', (t) => {
  const facts = hostFacts()
  t.truthy(facts.backend)
  t.true(facts.cpu.flags.includes('fpu'))
  t.truthy(facts.cpu.vendor)
  t.deepEqual(hostFacts(), facts)
  t.is(hostStamp(), hostStamp())
  t.notThrows(() => checkHost(facts, nothing, WHAT))
})
