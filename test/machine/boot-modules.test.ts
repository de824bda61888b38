import test from 'ava'
import { placeModules } from '../../src/machine/boot-modules.ts'
import { GuestMemory } from '../../src/memory/guest-memory.ts'
import { MIB } from '../../src/memory/memory-map.ts'

const memory = GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(4 * MIB) }])
const KERNEL_END = 2 * MIB
const source = (size: number) => ({
  name: 'the root file tree',
  size,
  largest: { name: '/data/big', size: size - 1000 },
  write: (into: Uint8Array) => void into.fill(7),
})

test('a module lies as high as it fits, on a page, and is written there', (t) => {
  const [module] = placeModules(memory, [source(5000)], KERNEL_END)
  t.deepEqual(module, { gpa: 4 * MIB - 8192, size: 5000 })
  t.deepEqual([...memory.bytes(4 * MIB - 8192, 5000)], Array(5000).fill(7))
})

test('one that does not fit was never booted: status 125, the largest file, and the --memory that would do', (t) => {
  const error = t.throws(() => placeModules(memory, [source(3075 * MIB)], KERNEL_END))
  t.like(error, {
    name: 'UsageError',
    exitCode: 125,
    message: 'Cannot boot: the root file tree has 3075 MiB and does not fit into 4 MiB of guest memory.',
    hint: 'No guest holds that much, 3072 MiB is the most; use --isolation container, or leave out /data/big, 3075 MiB of it.',
  })
  t.like(
    t.throws(() => placeModules(memory, [source(500 * MIB)], KERNEL_END)),
    { hint: 'Give the guest more with --memory 576M, or leave out /data/big, 500 MiB of it.' },
  )
})
