/** JSON that somebody altered: values that nobody expects, anywhere in a document. */
import fc from 'fast-check'
import type { Json } from '../../src/virtio/saved-state.ts'

export const hostileValue = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    -1,
    0,
    1.5,
    2 ** 32,
    2 ** 53,
    1e308,
    '',
    '0x0',
    '0xffffffffffffffff',
    'A'.repeat(5000),
    [],
    {},
  ),
  fc.constantFrom<Json>('../../etc/passwd', '/dev/zero', { __proto__: null, length: 7 }, [[]], [null], ['0x1', '0x2']),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
)

/** One value somewhere in the tree replaced, left out, or doubled. */
export function altered(json: Json, choices: readonly number[], value: Json, how: 'replace' | 'remove' | 'add'): Json {
  const walk = (node: Json, depth: number): Json => {
    if (typeof node !== 'object' || node === null) return value
    const copy = (Array.isArray(node) ? [...node] : { ...node }) as Record<string, Json>
    const keys = Object.keys(copy)
    if (keys.length === 0 || depth >= choices.length) {
      if (how === 'add') copy.surplus = value
      return how === 'replace' ? value : (copy as Json)
    }
    const key = keys[choices[depth]! % keys.length]!
    const inner = copy[key]!
    const deeper = typeof inner === 'object' && inner !== null && choices[depth]! % 7 !== 0
    if (deeper) copy[key] = walk(inner, depth + 1)
    else if (how === 'remove') delete copy[key]
    else copy[key] = value
    return copy as Json
  }
  return walk(json, 0)
}

/** Where in the tree, and what is done there. */
export const choices = fc.array(fc.nat(10_000), { minLength: 1, maxLength: 6 })
export const how = fc.constantFrom('replace', 'remove', 'add') as fc.Arbitrary<'replace' | 'remove' | 'add'>
