/** From a file to the state in which Linux begins: what is where in guest memory, and what is refused. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { bootParams } from '../../../src/boot/linux/boot-params.ts'
import { loadKernel } from '../../../src/boot/load-kernel.ts'
import { UsageError } from '../../../src/errors.ts'
import { placeModules } from '../../../src/machine/boot-modules.ts'
import { GuestMemory } from '../../../src/memory/guest-memory.ts'
import { COMMAND_LINE_GPA, HIGH_RAM_START, MIB, START_INFO_GPA } from '../../../src/memory/memory-map.ts'
import { buildBzImage, INIT_SIZE, KERNEL_OFFSET, KERNEL_SIZE, LOAD_GPA } from '../../helpers/bzimage-builder.ts'
import { buildElf } from '../../helpers/elf-builder.ts'
import { createGuardedMemory } from '../../helpers/guarded-memory.ts'

const directory = mkdtempSync(join(tmpdir(), 'cloister-bzimage-'))
test.after.always(() => rmSync(directory, { recursive: true }))

let files = 0
const fileOf = (bytes: Uint8Array): string => {
  const path = join(directory, `kernel-${files++}`)
  writeFileSync(path, bytes)
  return path
}
const createMemory = (mib = 4) => GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(mib * MIB) }])
const params = (memory: GuestMemory) => bootParams.view(memory.bytes(START_INFO_GPA, bootParams.size))
const source = (size: number) => ({ name: 'an initial RAM disk', size, write: (into: Uint8Array) => void into.fill(9) })

test('the kernel lies at its own address, with the memory that it asked for before the next free one', (t) => {
  const memory = createMemory()
  const file = buildBzImage()
  const kernel = loadKernel(fileOf(file), memory)
  t.deepEqual(memory.bytes(LOAD_GPA, KERNEL_SIZE), file.slice(KERNEL_OFFSET))
  t.is(kernel.end, LOAD_GPA + INIT_SIZE)
})

test('it is entered 0x200 bytes in, with RSI on boot_params (boot.rst, 64-bit protocol)', (t) => {
  const memory = createMemory()
  const { regs } = loadKernel(fileOf(buildBzImage()), memory).enter({ commandLine: '', modules: [] })
  t.deepEqual(regs, { rip: BigInt(LOAD_GPA + 0x200), rsi: BigInt(START_INFO_GPA), rflags: 2n })
})

test('boot_params holds the setup header of the file, and what a loader has to fill in (boot.rst)', (t) => {
  const memory = createMemory()
  const kernel = loadKernel(fileOf(buildBzImage({ setup_data: 77n })), memory)
  kernel.enter({ commandLine: 'console=ttyS0', modules: [{ gpa: 3 * MIB, size: 5000 }], rsdp: 0xe0000 })
  t.like(bootParams.decode(memory.bytes(START_INFO_GPA, bootParams.size)), {
    header: 0x53726448,
    version: 0x20f,
    pref_address: BigInt(LOAD_GPA),
    type_of_loader: 0xff,
    cmd_line_ptr: COMMAND_LINE_GPA,
    ext_cmd_line_ptr: 0,
    ramdisk_image: 3 * MIB,
    ramdisk_size: 5000,
    ext_ramdisk_image: 0,
    acpi_rsdp_addr: 0xe0000n,
    setup_data: 0n,
  })
  t.is(Buffer.from(memory.bytes(COMMAND_LINE_GPA, 14)).toString(), 'console=ttyS0\0')
})

test('the e820 table has all RAM and the legacy hole, entries of 20 bytes one behind the other (zero-page.rst)', (t) => {
  const memory = createMemory()
  loadKernel(fileOf(buildBzImage()), memory).enter({ commandLine: '', modules: [] })
  const { e820_entries: count, e820_table: table } = params(memory)
  const rows = table.slice(0, count).map((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    return [view.getBigUint64(0, true), view.getBigUint64(8, true), view.getUint32(16, true)]
  })
  t.deepEqual(rows, [
    [0n, 0xa0000n, 1],
    [0xa0000n, 0x60000n, 2],
    [0x100000n, BigInt(3 * MIB), 1],
  ])
})

test('all below 4 GiB is mapped onto itself, in pages of 2 MiB (boot.rst; SDM vol 3 §4.5)', (t) => {
  const memory = createMemory()
  const { sregs } = loadKernel(fileOf(buildBzImage()), memory).enter({ commandLine: '', modules: [] })
  /** As the processor walks it. */
  const translate = (address: number): number => {
    const next = (table: bigint, index: number) => memory.readU64(Number(table & 0x000f_ffff_ffff_f000n) + 8 * index)
    const directory = next(next(BigInt(sregs.cr3), 0), Math.floor(address / 2 ** 30))
    const page = next(directory, Math.floor(address / 2 ** 21) % 512)
    t.is(page & 0x83n, 0x83n)
    return Number(page & 0x000f_ffff_ffe0_0000n) + (address % 2 ** 21)
  }
  for (const address of [0, START_INFO_GPA, LOAD_GPA + 5, 0x7fff_ffff, 0xc000_0000, 0xffff_ffff]) {
    t.is(translate(address), address)
  }
})

test('the GDT has __BOOT_CS and __BOOT_DS where the segment registers say, flat (boot.rst)', (t) => {
  const memory = createMemory()
  const { sregs } = loadKernel(fileOf(buildBzImage()), memory).enter({ commandLine: '', modules: [] })
  t.true('gdt' in sregs)
  const { gdt, cs, ds } = sregs as typeof sregs & { gdt: { base: bigint; limit: number } }
  const descriptor = (selector: number) => {
    t.true(selector + 7 <= gdt.limit)
    const raw = memory.readU64(Number(gdt.base) + selector)
    const bits = (high: number, low: number) => Number((raw >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n))
    return {
      limit: bits(15, 0) | (bits(51, 48) << 16),
      base: bits(39, 16) | (bits(63, 56) << 24),
      ...{ type: bits(43, 40), s: bits(44, 44), dpl: bits(46, 45), present: bits(47, 47) },
      ...{ l: bits(53, 53), db: bits(54, 54), g: bits(55, 55) },
    }
  }
  t.is(cs.selector, 0x10)
  t.is(ds.selector, 0x18)
  for (const { selector, type, s, dpl, present, l, db, g } of [cs, ds]) {
    t.deepEqual(descriptor(selector), { limit: 0xfffff, base: 0, type, s, dpl, present, l, db, g })
  }
})

test('an initial RAM disk lies as high as memory, and the kernel, take it', (t) => {
  const memory = createMemory(8)
  const high = loadKernel(fileOf(buildBzImage()), memory)
  t.deepEqual(placeModules(memory, [source(5000)], high.end, high.modulesEnd), [{ gpa: 8 * MIB - 8192, size: 5000 }])
  const limited = loadKernel(fileOf(buildBzImage({ initrd_addr_max: 4 * MIB - 1 })), memory)
  t.deepEqual(placeModules(memory, [source(5000)], limited.end, limited.modulesEnd), [
    { gpa: 4 * MIB - 8192, size: 5000 },
  ])
})

test('a kernel that takes no initial RAM disk where there is room refuses one', (t) => {
  const memory = createMemory()
  const kernel = loadKernel(fileOf(buildBzImage({ initrd_addr_max: LOAD_GPA })), memory)
  t.throws(() => placeModules(memory, [source(1)], kernel.end, kernel.modulesEnd), { instanceOf: UsageError })
})

test('two initial RAM disks are one too many', (t) => {
  const kernel = loadKernel(fileOf(buildBzImage()), createMemory())
  const modules = [
    { gpa: 3 * MIB, size: 1 },
    { gpa: 3 * MIB + 4096, size: 1 },
  ]
  t.throws(() => kernel.enter({ commandLine: '', modules }), { instanceOf: UsageError, message: /takes one initial/ })
})

test('a command line longer than the kernel says it takes is refused, NUL included (boot.rst, cmdline_size)', (t) => {
  const kernel = loadKernel(fileOf(buildBzImage({ cmdline_size: 10 })), createMemory())
  t.notThrows(() => kernel.enter({ commandLine: 'x'.repeat(10), modules: [] }))
  t.throws(() => kernel.enter({ commandLine: 'x'.repeat(11), modules: [] }), {
    instanceOf: UsageError,
    message: /has 12 bytes, 11 fit/,
  })
})

test('what a kernel boasts of taking does not make our own room for the command line larger', (t) => {
  const kernel = loadKernel(fileOf(buildBzImage({ cmdline_size: 0xffff_ffff })), createMemory())
  t.throws(() => kernel.enter({ commandLine: 'x'.repeat(2048), modules: [] }), { message: /has 2049 bytes, 2048 fit/ })
})

test('a kernel that wants to lie below 1 MiB, outside memory, or in more than there is, is refused', (t) => {
  for (const change of [{ pref_address: 0n }, { pref_address: 0x1_0000_0000n }, { init_size: 3 * MIB }]) {
    const path = fileOf(buildBzImage(change))
    t.throws(() => loadKernel(path, createMemory()), { instanceOf: UsageError, message: /lies outside guest memory/ })
  }
})

test('an ELF kernel without a PVH entry is entered where its header says, by the 64-bit protocol', (t) => {
  const memory = createMemory()
  const kernel = loadKernel(fileOf(buildElf({ note: false })), memory)
  const { regs } = kernel.enter({ commandLine: 'quiet', modules: [] })
  t.deepEqual(regs, { rip: BigInt(HIGH_RAM_START), rsi: BigInt(START_INFO_GPA), rflags: 2n })
  t.like(bootParams.decode(memory.bytes(START_INFO_GPA, bootParams.size)), {
    header: 0x53726448,
    boot_flag: 0xaa55,
    version: 0x20c,
    type_of_loader: 0xff,
    cmd_line_ptr: COMMAND_LINE_GPA,
  })
})

test('an ELF kernel without a PVH entry whose entry lies in nothing that is loaded is refused', (t) => {
  const file = buildElf({ note: false })
  new DataView(file.buffer).setBigUint64(24, 0xffff_ffff_8100_0000n, true)
  t.throws(() => loadKernel(fileOf(file), createMemory()), { instanceOf: UsageError, message: /lies in no segment/ })
})

test('whatever a setup header says, nothing is written outside guest memory, and a refusal has a reason', (t) => {
  const mutation = fc.tuple(fc.integer({ min: 0x1f1, max: 0x270 }), fc.integer({ min: 0, max: 255 }))
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 6 }), fc.nat(100), (mutations, length) => {
      const { memory, strayWrites } = createGuardedMemory([{ gpa: 0, size: 4 * MIB }])
      const file = buildBzImage()
      for (const [at, value] of mutations) file[at] = value
      try {
        const kernel = loadKernel(fileOf(file), memory)
        const modules = placeModules(memory, [source(length * 100)], kernel.end, kernel.modulesEnd)
        for (const { gpa } of modules) t.true(gpa >= kernel.end)
        kernel.enter({ commandLine: 'x'.repeat(length), modules })
      } catch (error) {
        t.true(error instanceof UsageError, String(error))
      }
      t.deepEqual(strayWrites(), [])
    }),
    { numRuns: 60 },
  )
})

/** One that somebody ships: the host's own, or the SVM lab's. */
const shipped = (() => {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'cloister/lab')
  const list = (path: string) => {
    try {
      return readdirSync(path)
    } catch {
      return []
    }
  }
  return [
    ...list('/boot')
      .filter((name) => name.startsWith('vmlinuz-'))
      .map((name) => join('/boot', name)),
    ...list(cache)
      .filter((name) => name.startsWith('linux-image'))
      .map((name) => join(cache, name, 'vmlinuz')),
  ]
})()

const shippedTest = shipped.length > 0 ? test : test.skip
shippedTest(
  `the kernel of a distribution is understood${shipped.length > 0 ? '' : ' (skipped: neither /boot nor the SVM lab has one here)'}`,
  (t) => {
    const memory = GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(160 * MIB) }])
    let understood = 0
    for (const path of shipped) {
      let kernel: ReturnType<typeof loadKernel>
      try {
        kernel = loadKernel(path, memory)
      } catch (error) {
        // Distributions keep their own from being read by everyone.
        if (/no permission|may not|EACCES|permission/.test((error as Error).message)) continue
        throw error
      }
      understood++
      t.true(kernel.end > 16 * MIB)
      const { regs } = kernel.enter({ commandLine: 'quiet', modules: [] })
      t.is(regs.rip % 0x1000n, 0x200n)
    }
    t.log(`${understood} of ${shipped.length}`)
    t.pass()
  },
)
