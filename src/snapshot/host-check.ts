/**
 * Whether a guest that ran on one host can go on on this one: the same kind of KVM, and a processor that can all that its
 * programs were told. Costs some milliseconds; check-record.ts spares them where the answer is known.
 */
import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs'
import { release } from 'node:os'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import type { CpuidEntry } from '../../kvm-bindings/structs/cpuid.ts'
import { HostError } from '../errors.ts'
import { bootId } from '../host/boot-id.ts'
import { kvmBackend } from '../host/kvm-backend.ts'
import type { CpuPolicy } from '../machine/cpu-policy.ts'
import { suggestCpuPolicy } from '../machine/vcpu-setup.ts'
import { type CpuFacts, type HostFacts, LIMITS } from './manifest.ts'

/** More than the lines of one processor take. */
const CPUINFO_BYTES = 16 * 1024
const NAMED_MAX = 8
const NO_KVM = 'none'

/** Registers of CPUID whose bits are features. SDM vol 2 CPUID, APM vol 3 appendix E, Linux Documentation/virt/kvm/x86/cpuid.rst */
const FEATURES = [
  [0x1, 0, ['ecx', 'edx']],
  [0x7, 0, ['ebx', 'ecx', 'edx']],
  [0x7, 1, ['eax', 'ebx', 'edx']],
  [0xd, 0, ['eax']],
  [0xd, 1, ['eax']],
  [0x4000_0001, 0, ['eax']],
  [0x8000_0001, 0, ['ecx', 'edx']],
  [0x8000_0008, 0, ['ebx']],
  [0x8000_0021, 0, ['eax']],
] as const

/** What this host is, for a snapshot taken on it. */
export function hostFacts(): HostFacts {
  const backend = kvmBackend()
  return {
    backend: existsSync('/dev/kvm') ? (backend?.module ?? 'unknown') : NO_KVM,
    hardware: backend?.hardware ?? true,
    kernel: release().slice(0, 200),
    cpu: cpuFacts(readCpuinfo()),
  }
}

/** Changes whenever the answer of `checkHost` may. */
export function hostStamp(): string {
  const { rdev, ino, ctimeMs } = statSync('/dev/kvm', { throwIfNoEntry: false }) ?? {}
  return [bootId(), rdev, ino, ctimeMs].join(' ')
}

/** @throws HostError when a guest of that host and that policy cannot go on on this one */
export function checkHost(host: HostFacts, policy: CpuPolicy, what: string, here = hostFacts()): void {
  if (here.backend === NO_KVM || host.hardware !== here.hardware || (!host.hardware && host.backend !== here.backend)) {
    throw refusal(
      what,
      `it was taken on ${kindOf(host)}, and this host has ${kindOf(here)}`,
      'Use it on such a host, or take one here.',
    )
  }
  if (host.cpu.vendor !== here.cpu.vendor || host.backend !== here.backend) {
    throw refusal(
      what,
      `it was taken on a processor of ${host.cpu.vendor} (${host.backend}), and this host has one of ${here.cpu.vendor} (${here.backend})`,
      'Use it on such a host, or take one here.',
    )
  }
  const lacking = host.cpu.flags.filter((flag) => !here.cpu.flags.includes(flag))
  // A software KVM lets programs see the processor itself, a hardware one what the policy says.
  const lacks = host.hardware ? lacksOfPolicy(policy) : lacking.length > 0
  if (!lacks) return
  const named = lacking.length === 0 ? 'features' : lacking.slice(0, NAMED_MAX).join(', ')
  const more = lacking.length > NAMED_MAX ? ` and ${lacking.length - NAMED_MAX} more` : ''
  throw refusal(
    what,
    `its processor (${host.cpu.name}) has ${named}${more}, which this host's (${here.cpu.name}) has not`,
    'Its programs rely on what they found: use it on such a processor, or take one here.',
  )
}

/** Whether the guest was told of a feature that KVM cannot give it here. */
function lacksOfPolicy(policy: CpuPolicy): boolean {
  const open: { close(): void }[] = []
  const kept = <T extends { close(): void }>(one: T): T => {
    open.push(one)
    return one
  }
  try {
    const kvm = kept(KvmSystem.open())
    const vcpu = kept(kept(kvm.createVm()).createVcpu(0))
    const supported = kvm.supportedCpuid()
    // With what our rules add to KVM's own list, and what it insists on.
    const offered = suggestCpuPolicy(kvm, vcpu, policy.cpus)
    return FEATURES.some(([leaf, subleaf, registers]) =>
      registers.some((register) => {
        const has = bitsOf(supported, leaf, subleaf, register) | policyBits(offered, leaf, subleaf, register)
        return (policyBits(policy, leaf, subleaf, register) & ~has) !== 0
      }),
    )
  } finally {
    for (const one of open.reverse()) one.close()
  }
}

type Register = 'eax' | 'ebx' | 'ecx' | 'edx'

const bitsOf = (entries: readonly CpuidEntry[], leaf: number, subleaf: number, register: Register): number =>
  entries.find((entry) => entry.function === leaf && entry.index === subleaf)?.[register] ?? 0

const policyBits = ({ cpuid }: CpuPolicy, leaf: number, subleaf: number, register: Register): number =>
  Number(cpuid.find((entry) => Number(entry.leaf) === leaf && (entry.subleaf ?? 0) === subleaf)?.[register] ?? 0)

const kindOf = ({ hardware, backend }: HostFacts): string =>
  backend === NO_KVM ? 'none' : hardware ? `a hardware KVM (${backend})` : `a software KVM (${backend})`

const refusal = (what: string, reason: string, hint: string) =>
  new HostError(`Cannot use ${what} on this host: ${reason}.`, { hint })

/** The lines of the first processor. proc(5) */
function readCpuinfo(): string {
  const fd = openSync('/proc/cpuinfo', 'r')
  try {
    const bytes = Buffer.alloc(CPUINFO_BYTES)
    return bytes.toString('latin1', 0, readSync(fd, bytes, 0, CPUINFO_BYTES, 0)).split('\n\n')[0]!
  } finally {
    closeSync(fd)
  }
}

function cpuFacts(cpuinfo: string): CpuFacts {
  const lines = new Map(
    cpuinfo.split('\n').map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
    }),
  )
  const number = (name: string) => Number.parseInt(lines.get(name) ?? '0', 10) || 0
  return {
    vendor: (lines.get('vendor_id') ?? '').slice(0, 64),
    family: number('cpu family'),
    model: number('model'),
    stepping: number('stepping'),
    name: (lines.get('model name') ?? '').slice(0, 128),
    flags: (lines.get('flags') ?? '')
      .split(' ')
      .filter((flag) => /^[a-z0-9_]{1,40}$/.test(flag))
      .slice(0, LIMITS.flags),
  }
}
