import test from 'ava'
import fc from 'fast-check'
import { readBzImage } from '../../../src/boot/linux/bzimage.ts'
import { UsageError } from '../../../src/errors.ts'
import {
  buildBzImage,
  HEADER_END,
  type HeaderFields,
  INIT_SIZE,
  KERNEL_OFFSET,
  KERNEL_SIZE,
  LOAD_GPA,
} from '../../helpers/bzimage-builder.ts'

const read = (file: Uint8Array) =>
  readBzImage((offset, length) => file.slice(offset, offset + length), file.length, 'vmlinuz')

test('a bzImage says where its kernel lies, where it goes and what it takes (boot.rst)', (t) => {
  const file = buildBzImage()
  t.deepEqual(read(file), {
    header: file.slice(0x1f1, HEADER_END),
    fileOffset: KERNEL_OFFSET,
    fileSize: KERNEL_SIZE,
    gpa: LOAD_GPA,
    memorySize: INIT_SIZE,
    commandLineMax: 2047,
    initrdEnd: 0x8000_0000,
  })
})

test('no setup sectors mean four (boot.rst, setup_sects)', (t) => {
  t.is(read(buildBzImage({ setup_sects: 0 })).fileOffset, KERNEL_OFFSET)
})

test('what follows the kernel, such as a signature, is not loaded', (t) => {
  const signed = Buffer.concat([buildBzImage(), Buffer.alloc(1500, 0x55)])
  t.is(read(signed).fileSize, KERNEL_SIZE)
})

test('the last paragraph of a kernel may be cut short, and no more than that', (t) => {
  const file = buildBzImage()
  t.is(read(file.slice(0, -15)).fileSize, KERNEL_SIZE - 15)
  t.throws(() => read(file.slice(0, -16)), { instanceOf: UsageError, message: /past the end of the file/ })
})

test('a kernel that claims to need less memory than it has bytes gets room for these', (t) => {
  t.is(read(buildBzImage({ init_size: 1 })).memorySize, KERNEL_SIZE)
})

const refusal = test.macro({
  exec: (t, change: HeaderFields, message: RegExp) => {
    t.throws(() => read(buildBzImage(change)), { instanceOf: UsageError, message })
  },
  title: (name) => `a bzImage is refused ${name}`,
})

test('without the magic', refusal, { header: 0 }, /not a bzImage/)
test('without the boot flag', refusal, { boot_flag: 0 }, /not a bzImage/)
test(
  'of a protocol before 2.12, which says nothing of a 64-bit entry',
  refusal,
  { version: 0x20b },
  /boot protocol 2\.11 is older than 2\.12/,
)
test('without a 64-bit entry', refusal, { xloadflags: 0xfffe }, /no 64-bit entry/)
test('that wants to be below 1 MiB', refusal, { loadflags: 0 }, /zImage/)
test('whose header ends before it says enough', refusal, { jump: 0x10eb }, /ends at 0x212/)
test('whose header ends beyond its place in boot_params', refusal, { jump: 0xffeb }, /ends at 0x301/)
test('whose kernel reaches past the end of the file', refusal, { syssize: 0xffff_ffff }, /past the end/)
test('whose setup fills the file', refusal, { setup_sects: 0xff }, /past the end/)
test('whose kernel is too short to be entered', refusal, { syssize: 0x200 / 16 }, /too short/)
test('with an odd address', refusal, { pref_address: 0x10_0001n }, /loaded at 0x100001/)
test(
  'with an address beyond any memory',
  refusal,
  { pref_address: 0xffff_ffff_ffff_f000n },
  /loaded at 0xfffffffffffff000/,
)

test('a file that ends within its header is refused', (t) => {
  for (const length of [0, 0x201, 0x202, 0x206, 0x28f]) {
    t.throws(() => read(buildBzImage().slice(0, length)), { instanceOf: UsageError })
  }
})

test('whatever bytes a bzImage holds, what is read of it lies within the file, or it is refused with a reason', (t) => {
  const mutation = fc.tuple(fc.integer({ min: 0x1f1, max: 0x290 }), fc.integer({ min: 0, max: 255 }))
  const length = fc.oneof(fc.constant(undefined), fc.nat(KERNEL_OFFSET + KERNEL_SIZE))
  let readable = 0
  fc.assert(
    fc.property(fc.array(mutation, { maxLength: 4 }), length, (mutations, end) => {
      const file = buildBzImage()
      for (const [at, value] of mutations) file[at] = value
      const cut = file.slice(0, end)
      try {
        const image = read(cut)
        readable++
        t.true(image.fileOffset + image.fileSize <= cut.length)
        t.true(image.fileSize > 0x200 && image.memorySize >= image.fileSize)
        t.true(Number.isSafeInteger(image.gpa) && image.gpa >= 0)
        t.true(image.header.length >= 0x264 - 0x1f1 && image.header.length <= 0x290 - 0x1f1)
        t.true(image.initrdEnd >= 1 && image.initrdEnd <= 2 ** 32)
      } catch (error) {
        t.true(error instanceof UsageError, String(error))
      }
    }),
    { numRuns: 2000 },
  )
  t.true(readable > 20, `${readable} of them could be read`)
})
