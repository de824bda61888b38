/** A segment register as KVM_SET_SREGS takes it: flat, 32-bit and present but for the fields given. SDM vol 3 §3.4.5. */
interface Segment {
  readonly base: bigint
  readonly limit: number
  readonly selector: number
  readonly type: number
  readonly present: number
  readonly dpl: number
  readonly db: number
  readonly s: number
  readonly l: number
  readonly g: number
  readonly avl: number
  readonly unusable: number
  readonly padding: number
}

export const segment = (fields: Partial<Segment>): Segment => ({
  base: 0n,
  limit: 0xffff_ffff,
  selector: 0,
  type: 0,
  present: 1,
  dpl: 0,
  db: 1,
  s: 1,
  l: 0,
  g: 1,
  avl: 0,
  unusable: 0,
  padding: 0,
  ...fields,
})
