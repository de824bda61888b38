import test from 'ava'
import { memoryMap, writePvhBoot } from '../../src/boot/pvh.ts'
import { BugError, UsageError } from '../../src/errors.ts'
import { GuestMemory } from '../../src/memory/guest-memory.ts'
import { GIB, MIB, ramLayout } from '../../src/memory/memory-map.ts'

const createMemory = () => GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(2 * MIB) }])

test('the start info has the magic, version 1 and points to everything (start_info.h)', (t) => {
  const memory = createMemory()
  const gpa = writePvhBoot(memory, { commandLine: 'console=ttyS0', modules: [{ gpa: 0x180000, size: 77 }] })
  t.is(memory.readU32(gpa), 0x336ec578)
  t.is(memory.readU32(gpa + 4), 1)
  t.is(memory.readU32(gpa + 12), 1)
  const modules = Number(memory.readU64(gpa + 16))
  t.is(memory.readU64(modules), 0x180000n)
  t.is(memory.readU64(modules + 8), 77n)
  const commandLine = Number(memory.readU64(gpa + 24))
  t.is(Buffer.from(memory.bytes(commandLine, 14)).toString(), 'console=ttyS0\0')
  t.is(memory.readU64(gpa + 32), 0n)
  const map = Number(memory.readU64(gpa + 40))
  t.is(memory.readU32(gpa + 48), 3)
  t.deepEqual([memory.readU64(map), memory.readU64(map + 8), memory.readU32(map + 16)], [0n, 0xa0000n, 1])
})

test('without modules the module list is absent', (t) => {
  const memory = createMemory()
  const gpa = writePvhBoot(memory, { commandLine: '', modules: [] })
  t.is(memory.readU32(gpa + 12), 0)
  t.is(memory.readU64(gpa + 16), 0n)
})

test('the memory map covers all RAM, reserves the legacy hole and never overlaps', (t) => {
  const entries = memoryMap(ramLayout(6 * GIB))
  t.is(
    entries.reduce((sum, { size }) => sum + size, 0),
    6 * GIB,
  )
  for (let index = 1; index < entries.length; index++) {
    const before = entries[index - 1]!
    t.true(before.gpa + before.size <= entries[index]!.gpa)
  }
  t.deepEqual(
    entries.filter(({ type }) => type !== 1).map(({ gpa, size }) => [gpa, size]),
    [[0xa0000, 0x60000]],
  )
})

test('a command line that does not fit is refused', (t) => {
  t.throws(() => writePvhBoot(createMemory(), { commandLine: 'x'.repeat(2048), modules: [] }), {
    instanceOf: UsageError,
    message: /2049 bytes, 2048 fit/,
  })
})

test('a guest of any size sees four entries at most: low RAM, the legacy hole, RAM to the device hole, RAM above', (t) => {
  for (const gib of [5, 9, 40]) {
    t.deepEqual(
      memoryMap(ramLayout(gib * GIB)).map(({ gpa, size, type }) => [gpa, size, type]),
      [
        [0, 0xa0000, 1],
        [0xa0000, 0x60000, 2],
        [0x100000, 3 * GIB - 0x100000, 1],
        [4 * GIB, (gib - 3) * GIB, 1],
      ],
    )
  }
})

test('regions that touch each other are one entry', (t) => {
  const pieces = [
    { gpa: 0, size: GIB },
    { gpa: GIB, size: GIB },
    { gpa: 2 * GIB, size: 1 },
  ]
  t.deepEqual(memoryMap(pieces), memoryMap([{ gpa: 0, size: 2 * GIB + 1 }]))
})

test('no table grows into the next one: a list that does not fit its place is refused', (t) => {
  const modules = (count: number) => Array.from({ length: count }, () => ({ gpa: 0x180000, size: 1 }))
  const full = createMemory()
  const gpa = writePvhBoot(full, { commandLine: 'console=ttyS0', modules: modules(64) })
  t.is(Buffer.from(full.bytes(Number(full.readU64(gpa + 24)), 14)).toString(), 'console=ttyS0\0')
  t.throws(() => writePvhBoot(createMemory(), { commandLine: '', modules: modules(65) }), {
    instanceOf: BugError,
    message: /module list of 65 entries does not fit/,
  })
  const regions = Array.from({ length: 90 }, (_, index) => ({ gpa: index * 4 * MIB, bytes: new Uint8Array(2 * MIB) }))
  t.throws(() => writePvhBoot(GuestMemory.over(regions), { commandLine: '', modules: [] }), {
    instanceOf: BugError,
    message: /memory map of 92 entries does not fit/,
  })
})
