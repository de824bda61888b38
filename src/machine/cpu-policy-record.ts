/**
 * A processor policy that comes back from a file: a snapshot's or an instance record's. It decides what a VM is given,
 * so every part of it is looked at first; KVM has the last word on the values (vcpu-setup.ts).
 */
import { KVM_MAX_CPUID_ENTRIES } from '../../kvm-bindings/structs/cpuid.ts'
import { HostError } from '../errors.ts'
import { type Check, integer, isObject, listOf, object, oneOf, optional, printable } from '../json-checks.ts'
import { CPU_POLICY_SCHEMA, type CpuPolicy } from './cpu-policy.ts'

const REGISTERS = ['eax', 'ebx', 'ecx', 'edx']
/** No VM of ours has more; APIC ids of eight bits end there. */
const CPUS_MAX = 255
/** More than any list here has: what a damaged file may cost. */
const LIST_MAX = KVM_MAX_CPUID_ENTRIES
const TEXT_MAX = 1000

const hexOf =
  (bits: number): Check =>
  (value) =>
    typeof value === 'string' && /^0x(0|[1-9a-f][0-9a-f]*)$/.test(value) && value.length - 2 <= bits / 4
/** People will read it on a terminal. */
const text = printable(TEXT_MAX)
const list = (check: Check): Check => listOf(LIST_MAX, check)

const leaf = object({
  leaf: hexOf(32),
  subleaf: optional(integer(0, 0xffff_ffff)),
  ...Object.fromEntries(REGISTERS.map((name) => [name, hexOf(32)])),
})
const apicIdField: Check = (value) =>
  object({ leaf: hexOf(32), register: oneOf(REGISTERS), high: integer(0, 31), low: integer(0, 31) })(value) &&
  (value as { high: number; low: number }).high >= (value as { high: number; low: number }).low

const FIELDS: Readonly<Record<keyof CpuPolicy, Check>> = {
  schema: oneOf([CPU_POLICY_SCHEMA]),
  cpus: integer(1, CPUS_MAX),
  cpuid: list(leaf),
  apicId: list(apicIdField),
  xcr0: optional(hexOf(64)),
  msrs: list(object({ name: text, index: hexOf(32), value: hexOf(64), why: text })),
  changes: list(object({ what: text, from: optional(hexOf(32)), to: optional(hexOf(32)), why: text })),
}

/** @throws HostError for anything but a policy of this version. */
export function readCpuPolicy(value: unknown): CpuPolicy {
  if (!isObject(value)) throw unreadable('it is no object')
  for (const [name, check] of Object.entries(FIELDS)) {
    if (!check(value[name])) throw unreadable(`its ${name} is not what it should be`)
  }
  const stranger = Object.keys(value).find((key) => !Object.hasOwn(FIELDS, key))
  if (stranger !== undefined) throw unreadable(`nothing is known of its ${stranger.slice(0, 40)}`)
  return value as unknown as CpuPolicy
}

const unreadable = (reason: string) =>
  new HostError(`Cannot read the processor policy of a VM: ${reason}.`, {
    hint: `It should be one of version ${CPU_POLICY_SCHEMA}, as this Cloister writes it.`,
  })
