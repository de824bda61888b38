import test from 'ava'
import fc from 'fast-check'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import type { CpuidEntry } from '../../kvm-bindings/structs/cpuid.ts'
import { HostError } from '../../src/errors.ts'
import { CPU_POLICY_SCHEMA, type CpuPolicy, getBits, hostCpuPolicy, setBits } from '../../src/machine/cpu-policy.ts'
import { readCpuPolicy } from '../../src/machine/cpu-policy-record.ts'
import { summarizeCpuPolicy } from '../../src/machine/cpu-policy-summary.ts'
import { applyCpuPolicy, cpuidEntries, suggestCpuPolicy } from '../../src/machine/vcpu-setup.ts'
import { runGuest } from '../helpers/guests.ts'
import { kvmTest } from '../helpers/kvm.ts'

const leaf = (number: number, fields: Partial<CpuidEntry> & { subleaf?: number } = {}): CpuidEntry => {
  const { subleaf, ...registers } = fields
  const indexed = subleaf === undefined ? { index: 0, flags: 0 } : { index: subleaf, flags: 1 }
  return { function: number, ...indexed, eax: 0, ebx: 0, ecx: 0, edx: 0, ...registers }
}

const XSAVE = 1 << 26
/** A host of 16 processors with hyper-threads, 8 cores and one shared cache; its KVM offers nested virtualization. */
const INTEL = [
  leaf(0x0, { eax: 0x1f, ebx: 0x756e6547, ecx: 0x6c65746e, edx: 0x49656e69 }),
  leaf(0x1, { eax: 0x000806f8, ebx: 0x0710_0800, ecx: XSAVE | (1 << 5), edx: 1 << 28 }),
  leaf(0x2),
  leaf(0x4, { subleaf: 0, eax: 0x1c00_4121 }), // level 1 data: two threads
  leaf(0x4, { subleaf: 3, eax: 0x1c03_c163 }), // level 3: all sixteen
  leaf(0x4, { subleaf: 4 }),
  leaf(0xb, { subleaf: 0, eax: 1, ebx: 2, ecx: 0x100, edx: 7 }),
  leaf(0xb, { subleaf: 1, eax: 4, ebx: 16, ecx: 0x201, edx: 7 }),
  leaf(0x1f, { subleaf: 0, eax: 1, ebx: 2, ecx: 0x100, edx: 7 }),
  leaf(0xd, { subleaf: 0, eax: 0x2e7 }),
]
const AMD = [
  leaf(0x0, { eax: 0x10, ebx: 0x68747541, ecx: 0x444d4163, edx: 0x69746e65 }),
  leaf(0x1, { eax: 0x00a10f11, ebx: 0x0510_0800, ecx: XSAVE, edx: 1 << 28 }),
  leaf(0xd, { subleaf: 0, eax: 0x7 }),
  leaf(0x8000_0001, { ecx: 0b110, edx: 1 << 29 }),
  leaf(0x8000_0008, { eax: 0x3030, ecx: 0x700f }),
  leaf(0x8000_000a, { eax: 1, ebx: 8, edx: 0x1_0021 }),
  leaf(0x8000_001d, { subleaf: 0, eax: 0x4121 }),
  leaf(0x8000_001d, { subleaf: 3, eax: 0x3c163 }),
  leaf(0x8000_001e, { eax: 5, ebx: 0x102, ecx: 0x100 }),
]
/** As KVM fills it in from the processor that it runs on. */
const withApicId = (entry: CpuidEntry, id: number): CpuidEntry => {
  if (entry.function === 0x1) return { ...entry, ebx: setBits(entry.ebx, 31, 24, id) }
  if (entry.function === 0xb || entry.function === 0x1f) return { ...entry, edx: id }
  if (entry.function === 0x8000_001e) return { ...entry, eax: id, ebx: setBits(entry.ebx, 7, 0, id) }
  return entry
}
const policyOf = (supported: readonly CpuidEntry[], cpus = 1) =>
  hostCpuPolicy({ supported, tscDeadline: true, shown: (entries) => entries }, cpus)
const entryOf = (policy: CpuPolicy, number: number, subleaf = 0, apicId = 0) =>
  cpuidEntries(policy, apicId).find((entry) => entry.function === number && entry.index === subleaf)!
const recorded = (policy: CpuPolicy) => JSON.parse(JSON.stringify(policy)) as unknown

test('bits of a register are read and set as the manuals count them', (t) => {
  t.is(getBits(0xabcd_1234, 31, 24), 0xab)
  t.is(getBits(0xffff_ffff, 31, 0), 0xffff_ffff)
  t.is(setBits(0, 31, 31, 1), 0x8000_0000)
  t.is(setBits(0xffff_ffff, 31, 0, 5), 5)
  t.is(setBits(0xffff_ffff, 25, 14, 0), 0xfc00_3fff)
})

test("of the host's topology nothing is left on an Intel processor (SDM vol 2 CPUID)", (t) => {
  const policy = policyOf(INTEL)
  t.is(getBits(entryOf(policy, 1).ebx, 31, 16), 0x0001, 'leaf 1: APIC id 0, one processor')
  t.is(getBits(entryOf(policy, 1).edx, 28, 28), 0, 'HTT')
  t.is(entryOf(policy, 4, 0).eax, 0x121, 'leaf 4: one core, one processor at the cache')
  t.is(entryOf(policy, 4, 3).eax, 0x163)
  for (const number of [0xb, 0x1f]) {
    t.like(entryOf(policy, number, 0), { eax: 0, ebx: 1, ecx: 0x100, edx: 0 })
    t.like(entryOf(policy, number, 1), { eax: 0, ebx: 1, ecx: 0x201, edx: 0 })
    t.is(cpuidEntries(policy, 0).filter((entry) => entry.function === number).length, 3)
  }
})

test("of the host's topology nothing is left on an AMD processor (APM vol 3 appendix E)", (t) => {
  const policy = policyOf(AMD)
  t.is(getBits(entryOf(policy, 1).ebx, 31, 16), 0x0001)
  t.is(getBits(entryOf(policy, 0x8000_0001).ecx, 1, 1), 0, 'CmpLegacy')
  t.is(entryOf(policy, 0x8000_0008).ecx, 0, 'cores and APIC id bits')
  t.is(entryOf(policy, 0x8000_001d, 0).eax, 0x121)
  t.is(entryOf(policy, 0x8000_001d, 3).eax, 0x163)
  t.is(entryOf(policy, 0x8000_001e), undefined as never, 'extended APIC id 0, core 0, node 0: a leaf of zeros')
})

test('a VM of six processors has six cores at one cache, each with its own APIC id', (t) => {
  const intel = policyOf(INTEL, 6)
  t.is(getBits(entryOf(intel, 1, 0, 5).ebx, 31, 16), 0x0508)
  t.is(getBits(entryOf(intel, 1).edx, 28, 28), 1)
  t.is(getBits(entryOf(intel, 4, 0).eax, 31, 14), (7 << 12) | 0)
  t.is(getBits(entryOf(intel, 4, 3).eax, 31, 14), (7 << 12) | 7)
  for (const subleaf of [0, 1, 2]) t.is(entryOf(intel, 0xb, subleaf, 5).edx, 5)
  t.like(entryOf(intel, 0xb, 1), { eax: 3, ebx: 6, ecx: 0x201 })

  const amd = policyOf(AMD, 6)
  t.is(getBits(entryOf(amd, 0x8000_0001).ecx, 1, 1), 1)
  t.is(entryOf(amd, 0x8000_0008).ecx, 0x3005)
  t.is(getBits(entryOf(amd, 0x8000_001d, 3).eax, 25, 14), 5)
})

test('whichever processor of the host KVM is asked on, the policy is the same', (t) => {
  const askedOn = (supported: readonly CpuidEntry[], id: number) => supported.map((entry) => withApicId(entry, id))
  for (const supported of [INTEL, AMD]) {
    const policy = policyOf(askedOn(supported, 0), 2)
    t.deepEqual(policyOf(askedOn(supported, 1), 2), policy)
    // This KVM answers a vCPU with the processor it is asked on, too.
    const shown = (entries: readonly CpuidEntry[]) => askedOn(entries, 3)
    t.deepEqual(hostCpuPolicy({ supported: askedOn(supported, 2), tscDeadline: true, shown }, 2), policy)
  }
})

test('control-flow enforcement is taken away: its state would be lost in a snapshot', (t) => {
  const SHSTK = 1 << 7
  const IBT = 1 << 20
  const policy = policyOf([...INTEL, leaf(0x7, { subleaf: 0, ecx: SHSTK | 1, edx: IBT | 1 })])
  t.like(entryOf(policy, 0x7), { ecx: 1, edx: 1 })
})

test('nested virtualization is taken away, and the policy says so', (t) => {
  t.is(getBits(entryOf(policyOf(INTEL), 1).ecx, 5, 5), 0)
  const amd = policyOf(AMD)
  t.is(getBits(entryOf(amd, 0x8000_0001).ecx, 2, 2), 0)
  t.is(entryOf(amd, 0x8000_000a), undefined as never)
  const change = amd.changes.find(({ what }) => what.startsWith('SVM, '))
  t.like(change, { what: 'SVM, leaf 0x80000001 ECX[2]', from: '0x1', to: '0x0' })
  t.regex(change!.why, /attack/)
})

test('what is as KVM offers it is no change, and every change has a reason', (t) => {
  const again = policyOf(cpuidEntries(policyOf(AMD), 0))
  t.deepEqual(again.changes, [])
  for (const { why } of [...policyOf(INTEL, 4).changes, ...policyOf(AMD, 4).changes]) t.true(why.length > 10)
})

test('XCR0 holds the states that a program may use: x87, SSE, AVX, and AVX-512 whole or not at all (SDM vol 1 §13.3)', (t) => {
  const xcr0 = (states: number, features = XSAVE) =>
    policyOf([leaf(0x1, { ecx: features }), leaf(0xd, { subleaf: 0, eax: states })]).xcr0
  t.is(xcr0(0x7), '0x7')
  t.is(xcr0(0x3), '0x3')
  t.is(xcr0(0x2e7), '0xe7')
  t.is(xcr0(0x27), '0x7')
  t.is(xcr0(0x21f), '0x7', 'neither MPX nor protection keys')
  t.is(xcr0(0x7, 0), undefined, 'no XSAVE, no XCR0')
})

test('leaves that KVM insists on are in the policy as guests see them, and so is what follows for XCR0', (t) => {
  const without = AMD.map((entry) => (entry.function === 0x1 ? { ...entry, ecx: 0 } : entry))
  const OSXSAVE = 1 << 27
  const shown = (entries: readonly CpuidEntry[]) =>
    entries.map((entry) => {
      if (entry.function === 0x1) return { ...entry, ecx: (entry.ecx | XSAVE | OSXSAVE) >>> 0 }
      return entry.function === 0xd ? { ...entry, ebx: 0x240 } : entry
    })
  const policy = hostCpuPolicy({ supported: without, tscDeadline: true, shown }, 1)
  t.is(entryOf(policy, 0x1).ecx, 0x8500_0000, 'XSAVE, hypervisor, TSC deadline; OSXSAVE follows CR4')
  t.is(entryOf(policy, 0xd).ebx, 0, 'the size follows XCR0')
  t.is(policy.xcr0, '0x7')
  t.like(policy.changes.at(-1), { what: 'leaf 0x1 ECX', from: '0x81000000', to: '0x85000000' })
  t.regex(policy.changes.at(-1)!.why, /insists/)
})

test('the TSC deadline timer is there where the capability says so', (t) => {
  for (const tscDeadline of [true, false]) {
    const policy = hostCpuPolicy({ supported: AMD, tscDeadline, shown: (entries) => entries }, 1)
    t.is(getBits(entryOf(policy, 1).ecx, 24, 24), Number(tscDeadline))
  }
})

test('a policy is plain JSON: what is read back is the same, to the last bit of every vCPU', (t) => {
  for (const supported of [INTEL, AMD])
    for (const cpus of [1, 6]) {
      const policy = policyOf(supported, cpus)
      const back = readCpuPolicy(recorded(policy))
      t.deepEqual(back, policy)
      for (let apicId = 0; apicId < cpus; apicId++) {
        t.deepEqual(cpuidEntries(back, apicId), cpuidEntries(policy, apicId))
      }
    }
})

test('a policy of another version, or damaged in any part, is refused by name', (t) => {
  const good = recorded(policyOf(AMD)) as Record<string, unknown>
  const refused: readonly (readonly [Record<string, unknown>, RegExp])[] = [
    [{ schema: 'cloister-cpu-policy/2' }, /schema/],
    [{ cpus: 0 }, /cpus/],
    [{ cpus: 1e9 }, /cpus/],
    [{ cpuid: [{ ...(good.cpuid as object[])[0], eax: '0x100000000' }] }, /cpuid/],
    [{ cpuid: [{ ...(good.cpuid as object[])[0], eax: 7 }] }, /cpuid/],
    [{ cpuid: Array(257).fill((good.cpuid as object[])[0]) }, /cpuid/],
    [{ apicId: [{ leaf: '0x1', register: 'ebx', high: 3, low: 4 }] }, /apicId/],
    [{ apicId: [{ leaf: '0x1', register: '__proto__', high: 4, low: 3 }] }, /apicId/],
    [{ xcr0: '7' }, /xcr0/],
    [{ msrs: [{ name: 'X', index: '0x277', value: '0x10000000000000000', why: '' }] }, /msrs/],
    [{ msrs: [{ name: '\u001b[2J', index: '0x277', value: '0x0', why: '' }] }, /msrs/],
    [{ changes: 'none' }, /changes/],
    [{ extra: 1 }, /extra/],
  ]
  for (const [change, message] of refused) {
    t.throws(() => readCpuPolicy({ ...good, ...change }), { instanceOf: HostError, message })
  }
  for (const nothing of [undefined, null, 1, 'policy', []])
    t.throws(() => readCpuPolicy(nothing), { instanceOf: HostError })
})

test('whatever is read as a policy can be used: it is refused, or it makes a table and a summary', (t) => {
  const good = recorded(policyOf(AMD)) as Record<string, unknown>
  const part = fc.constantFrom(...Object.keys(good), 'xcr0')
  const value = fc.oneof(
    fc.jsonValue(),
    fc.array(
      fc.record(
        { leaf: fc.string(), eax: fc.string({ unit: fc.constantFrom(...'0x1f') }), register: fc.string() },
        { requiredKeys: [] },
      ),
    ),
    fc.array(fc.record({ name: fc.string(), index: fc.constant('0x1'), value: fc.constant('0xff'), why: fc.string() })),
  )
  fc.assert(
    fc.property(part, value, (name, damage) => {
      let policy: CpuPolicy
      try {
        policy = readCpuPolicy({ ...good, [name]: damage })
      } catch (error) {
        t.true(error instanceof HostError)
        return
      }
      t.true(cpuidEntries(policy, 3).every(({ eax }) => Number.isSafeInteger(eax)))
      t.is(typeof summarizeCpuPolicy(policy).processor, 'string')
    }),
    { numRuns: Number(process.env.CLOISTER_FUZZ_CASES ?? 300) },
  )
})

test('the summary names the processor, the vector registers, and what was changed and why', (t) => {
  const intel = summarizeCpuPolicy(policyOf(INTEL))
  t.is(intel.processor, 'GenuineIntel, family 6, model 143, stepping 8')
  t.is(intel.state, 'x87 SSE AVX opmask ZMM_Hi256 Hi16_ZMM')
  t.true(intel.msrs.includes('IA32_MISC_ENABLE 0x1801'))
  const amd = summarizeCpuPolicy(policyOf(AMD, 2))
  t.is(amd.processor, 'AuthenticAMD, family 25, model 17, stepping 1')
  t.is(amd.cpus, 2)
  t.deepEqual(amd.msrs, ['IA32_PAT 0x7040600070406', 'IA32_MTRR_DEF_TYPE 0x806'])
  t.true(amd.changes.some((line) => /^SVM, leaf 0x80000001 ECX\[2\]: 0x1 -> 0x0 \(.+\)$/.test(line)))
  t.is(summarizeCpuPolicy(policyOf([leaf(0x1)])).state, 'x87 SSE (no XSAVE)')
})

/** What KVM keeps up to date itself as the guest enables things (arch/x86/kvm/cpuid.c): OSXSAVE, OSPKE, sizes of states. */
const withoutDynamic = (entries: readonly CpuidEntry[]) =>
  entries
    .map(({ function: number, index, flags, eax, ebx, ecx, edx }) => ({
      key: `${number.toString(16)}.${index}`,
      flags,
      eax,
      ebx: number === 0xd ? 0 : ebx,
      ecx: number === 0x1 ? setBits(ecx, 27, 27, 0) : number === 0x7 ? setBits(ecx, 4, 4, 0) : ecx,
      edx,
    }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))

function withVcpu(
  work: (vcpu: ReturnType<ReturnType<KvmSystem['createVm']>['createVcpu']>, kvm: KvmSystem) => void,
  id = 0,
) {
  using kvm = KvmSystem.open()
  using vm = kvm.createVm()
  vm.createIrqchip()
  using vcpu = vm.createVcpu(id)
  work(vcpu, kvm)
}

for (const id of [0, 2]) {
  kvmTest(`a vCPU is what its policy says after a trip through JSON (vCPU ${id} of 4)`, (t) => {
    withVcpu((vcpu, kvm) => {
      const policy = readCpuPolicy(recorded(suggestCpuPolicy(kvm, vcpu, 4)))
      applyCpuPolicy(vcpu, policy)
      t.deepEqual(withoutDynamic(vcpu.getCpuid2()), withoutDynamic(cpuidEntries(policy, id)))
      t.is(getBits(vcpu.getCpuid2().find((entry) => entry.function === 1)!.ebx, 31, 24), id)
      if (policy.xcr0 !== undefined) t.like(vcpu.getXcrs(), [{ xcr: 0, value: BigInt(policy.xcr0) }])
      for (const { index, value } of policy.msrs) {
        t.like(vcpu.getMsrs([Number(index)]), [{ index: Number(index), data: BigInt(value) }], index)
      }
    }, id)
  })
}

kvmTest('the MSRs for the other vendor are taken too', (t) => {
  withVcpu((vcpu, kvm) => {
    const own = suggestCpuPolicy(kvm, vcpu, 1)
    t.notThrows(() => applyCpuPolicy(vcpu, { ...own, msrs: policyOf(INTEL).msrs }))
  })
})

kvmTest('a policy that this KVM cannot give is an error that says which part', (t) => {
  withVcpu((vcpu, kvm) => {
    const policy = suggestCpuPolicy(kvm, vcpu, 1)
    const unknown = { name: 'NO_SUCH_MSR', index: '0x456789ab', value: '0x1', why: '' } as const
    t.throws(() => applyCpuPolicy(vcpu, { ...policy, msrs: [...policy.msrs, unknown] }), {
      instanceOf: HostError,
      message: /vCPU 0: KVM refuses a NO_SUCH_MSR \(MSR 0x456789ab\) of 0x1/,
    })
    t.throws(() => applyCpuPolicy(vcpu, { ...policy, xcr0: '0x4' }), { instanceOf: HostError, message: /XCR0 of 0x4/ })
    const tooMany = Array(256).fill(policy.cpuid[0]) as CpuPolicy['cpuid']
    t.throws(() => applyCpuPolicy(vcpu, { ...policy, cpuid: [...tooMany, ...tooMany] }), { instanceOf: HostError })
  })
})

kvmTest('a machine shows the policy of its processors, and takes a recorded one instead', async (t) => {
  const { policy, output } = await runGuest('bare/serial-hello')
  t.is(policy.schema, CPU_POLICY_SCHEMA)
  t.regex(output, /PASS serial-hello/)
  const from = readCpuPolicy(recorded({ ...policy, changes: [{ what: 'nothing', why: 'recorded earlier' }] }))
  const again = await runGuest('bare/serial-hello', { policy: from })
  t.deepEqual(again.policy, from)
  t.regex(again.output, /PASS serial-hello/)
})
