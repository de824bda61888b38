import test from 'ava'
import fc from 'fast-check'
import { readKernelImage } from '../../src/boot/elf.ts'
import { UsageError } from '../../src/errors.ts'
import { buildElf, PVH_ENTRY } from '../helpers/elf-builder.ts'

const read = (file: Uint8Array) =>
  readKernelImage((offset, length) => file.slice(offset, offset + length), file.length, 'vmlinux')

test('a kernel gives its segments and its PVH entry', (t) => {
  const image = read(buildElf())
  t.is(image.pvhEntry, PVH_ENTRY)
  t.deepEqual(image.segments, [{ fileOffset: 0x1000, fileSize: 0x100, gpa: 0x100000, memorySize: 0x3000 }])
})

test('a kernel without the note has no PVH entry', (t) => {
  t.is(read(buildElf({ note: false })).pvhEntry, undefined)
})

const refusal = test.macro({
  exec: (t, change: (view: DataView) => void, message: RegExp) => {
    const file = buildElf()
    change(new DataView(file.buffer))
    t.throws(() => read(file), { instanceOf: UsageError, message })
  },
  title: (name) => `a kernel is refused ${name}`,
})

test('without the ELF magic', refusal, (view) => view.setUint8(0, 0), /not an ELF file/)
test('when it is 32-bit', refusal, (view) => view.setUint8(4, 1), /64-bit/)
test('for another machine', refusal, (view) => view.setUint16(18, 183, true), /x86-64/)
test('when it is an object file', refusal, (view) => view.setUint16(16, 1, true), /not an executable/)
test(
  'with program headers past the end',
  refusal,
  (view) => view.setBigUint64(32, 0xffff_ffff_ffff_fff0n, true),
  /outside the file/,
)
test('with too many program headers', refusal, (view) => view.setUint16(56, 65535, true), /program headers/)
test(
  'with a segment past the end of the file',
  refusal,
  (view) => view.setBigUint64(64 + 32, 2n ** 63n, true),
  /past the end/,
)
test(
  'with a segment larger in the file than in memory',
  refusal,
  (view) => view.setBigUint64(64 + 40, 1n, true),
  /larger in the file/,
)
test(
  'with a segment beyond any memory',
  refusal,
  (view) => view.setBigUint64(64 + 24, 2n ** 64n - 1n, true),
  /beyond any memory/,
)

test('whatever bytes a kernel file holds, it is read or refused with a reason', (t) => {
  const template = buildElf()
  const mutation = fc.array(fc.tuple(fc.nat(template.length - 1), fc.integer({ min: 0, max: 255 })), { maxLength: 12 })
  fc.assert(
    fc.property(mutation, fc.nat(template.length), (changes, length) => {
      const file = template.slice()
      for (const [at, value] of changes) file[at % 0x200] = value
      try {
        for (const { fileOffset, fileSize } of read(file.subarray(0, length)).segments)
          t.true(fileOffset + fileSize <= length)
      } catch (error) {
        t.true(error instanceof UsageError, String(error))
      }
    }),
    { numRuns: 2000 },
  )
})
