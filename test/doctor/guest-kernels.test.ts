import test from 'ava'
import { examineGuestKernels, judge } from '../../src/doctor/guest-kernels.ts'
import { kvmTest } from '../helpers/kvm.ts'

test('a KVM that has all of it passes, with the most vCPUs that it makes', (t) => {
  const finding = judge((name) => (name === 'KVM_CAP_MAX_VCPUS' ? 1024 : 1))
  t.is(finding.status, 'pass')
  t.regex(finding.detail, /^up to 1024 vCPUs, kvm-clock, /)
})

test('what is missing is a drawback for stock kernels, named with what follows from it', (t) => {
  const finding = judge((name) => ({ KVM_CAP_NR_VCPUS: 4, KVM_CAP_ADJUST_CLOCK: 1 })[name as string] ?? 0)
  t.is(finding.status, 'warn')
  t.is(finding.detail, 'up to 4 vCPUs, kvm-clock')
  t.regex(finding.remedy ?? '', /watchdogs.*calibrates.*nothing to calibrate by/)
  t.deepEqual(finding.facts?.missing, ['KVM_CAP_KVMCLOCK_CTRL', 'KVM_CAP_TSC_DEADLINE_TIMER', 'KVM_CAP_PIT2'])
})

kvmTest('this KVM is asked, and makes at least one vCPU', (t) => {
  const { facts } = examineGuestKernels()
  t.true(Number(facts?.maxVcpus) >= 1)
})
