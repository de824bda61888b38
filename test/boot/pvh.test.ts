import test from 'ava'
import { memoryMap, writePvhBoot } from '../../src/boot/pvh.ts'
import { UsageError } from '../../src/errors.ts'
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
