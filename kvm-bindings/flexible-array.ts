/** Structs that end in `entries[]`, with the number of entries in a field of the header: kvm_cpuid2, kvm_msrs. */
import type { Field } from './fields.ts'
import type { Fields, Struct, StructInit } from './layout.ts'

export interface FlexibleArray<T, I> {
  readonly header: Struct
  readonly entry: Field<T, I, unknown>
  /** Zeroed, with the count set: for requests that fill in up to so many entries. */
  allocate(count: number): Uint8Array
  encode(entries: readonly I[]): Uint8Array
  /** What the header says, whatever follows it. */
  count(source: Uint8Array): number
  /** As many entries as the header counts; never past the end of the bytes. */
  decode(source: Uint8Array): T[]
}

export function flexibleArray<F extends Fields, T, I>(
  header: Struct<F>,
  countField: keyof F & string,
  entry: Field<T, I, unknown>,
): FlexibleArray<T, I> {
  const allocate = (count: number): Uint8Array => {
    const target = new Uint8Array(header.size + count * entry.size)
    target.set(header.encode({ [countField]: count } as unknown as StructInit<F>))
    return target
  }
  const count = (source: Uint8Array): number => header.decode(source)[countField] as number
  return {
    count,
    header: header as unknown as Struct,
    entry,
    allocate,
    encode: (entries) => {
      const target = allocate(entries.length)
      const view = new DataView(target.buffer)
      entries.forEach((value, index) => {
        entry.write(view, header.size + index * entry.size, value)
      })
      return target
    },
    decode: (source) => {
      const room = Math.floor((source.length - header.size) / entry.size)
      const view = new DataView(source.buffer, source.byteOffset, source.byteLength)
      return Array.from({ length: Math.min(count(source), room) }, (_, i) =>
        entry.read(view, header.size + i * entry.size),
      )
    },
  }
}
