import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { buildAcpi, writeAcpi } from '../../../src/boot/acpi/acpi.ts'
import type { AcpiConfig } from '../../../src/boot/acpi/config.ts'
import { dsdt } from '../../../src/boot/acpi/dsdt.ts'
import { fadt } from '../../../src/boot/acpi/fadt.ts'
import { madt } from '../../../src/boot/acpi/madt.ts'
import { memoryMap } from '../../../src/boot/pvh.ts'
import { GENERATION_GSI, PORTS, VIRTIO_SLOTS, virtioSlot } from '../../../src/machine/device-table.ts'
import { writeGuestAcpi } from '../../../src/machine/guest-acpi.ts'
import { GuestMemory } from '../../../src/memory/guest-memory.ts'
import { ACPI_GPA, GENERATION_ID_GPA, MIB, PAGE_SIZE } from '../../../src/memory/memory-map.ts'

const config = (cpus: number, devices: number): AcpiConfig => ({
  cpus,
  localApic: 0xfee0_0000,
  ioApic: 0xfec0_0000,
  virtio: Array.from({ length: devices }, (_, slot) => virtioSlot(slot)),
  serial: PORTS.serial,
  reset: { port: 0x64, value: 0xfe },
  sleep: { port: 0x600, offType: 5 },
  generation: { gpa: GENERATION_ID_GPA, gsi: GENERATION_GSI },
})

const sum = (bytes: Uint8Array) => bytes.reduce((total, byte) => (total + byte) & 0xff, 0)
const ascii = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
const createMemory = () => GuestMemory.over([{ gpa: 0, bytes: new Uint8Array(2 * MIB) }])

/** As a guest finds them: from the RSDP on. */
function tables(memory: GuestMemory, rsdp: number): Map<string, Uint8Array> {
  const at = (gpa: number) => memory.bytes(gpa, memory.readU32(gpa + 4))
  const xsdt = at(Number(memory.readU64(rsdp + 24)))
  const found = [xsdt]
  for (let entry = 36; entry < xsdt.length; entry += 8) {
    found.push(at(Number(Buffer.from(xsdt).readBigUInt64LE(entry))))
  }
  const facp = found.find((bytes) => ascii(bytes.subarray(0, 4)) === 'FACP')!
  found.push(at(Number(Buffer.from(facp).readBigUInt64LE(140))))
  return new Map(found.map((bytes) => [ascii(bytes.subarray(0, 4)), bytes]))
}

test('from the RSDP a guest finds XSDT, FADT, MADT and DSDT, and every checksum is right (§5.2)', (t) => {
  for (const [cpus, devices] of [
    [1, 0],
    [4, 3],
    [64, VIRTIO_SLOTS],
    [255, VIRTIO_SLOTS],
  ] as const) {
    const memory = createMemory()
    const rsdp = writeAcpi(memory, config(cpus, devices))
    t.is(ascii(memory.bytes(rsdp, 8)), 'RSD PTR ')
    t.is(memory.bytes(rsdp + 15, 1)[0], 2)
    t.is(sum(memory.bytes(rsdp, 20)), 0)
    t.is(sum(memory.bytes(rsdp, 36)), 0)
    const found = tables(memory, rsdp)
    t.deepEqual([...found.keys()], ['XSDT', 'FACP', 'APIC', 'DSDT'])
    for (const [signature, bytes] of found) t.is(sum(bytes), 0, signature)
  }
})

test('the tables lie where every kernel may look for them, and where none puts anything of its own', (t) => {
  const memory = createMemory()
  t.is(writeAcpi(memory, config(255, VIRTIO_SLOTS)), ACPI_GPA)
  // §5.2.5.1: on a 16-byte boundary between E0000 and FFFFF.
  t.is(ACPI_GPA % 16, 0)
  t.true(ACPI_GPA >= 0xe0000 && GENERATION_ID_GPA + PAGE_SIZE <= 0x100000)
  const inside = memoryMap([{ gpa: 0, size: 2 * MIB }]).filter(
    ({ gpa, size }) => gpa < 0x100000 && gpa + size > ACPI_GPA,
  )
  t.deepEqual(
    inside.map(({ type }) => type),
    [2],
  )
  t.true(buildAcpi(ACPI_GPA, config(255, VIRTIO_SLOTS)).length <= GENERATION_ID_GPA - ACPI_GPA)
})

test('the FADT is one of a hardware-reduced machine, with registers to restart and to switch off (§5.2.9)', (t) => {
  const bytes = Buffer.from(fadt(0xe1230, config(1, 0)))
  t.is(bytes.length, 276)
  t.is(bytes[8], 6)
  const flags = bytes.readUInt32LE(112)
  t.truthy(flags & (1 << 20), 'HW_REDUCED_ACPI')
  t.truthy(flags & (1 << 10), 'RESET_REG_SUP')
  t.is(bytes.readUInt32LE(36), 0, 'FIRMWARE_CTRL')
  t.is(bytes.readUInt32LE(40), 0, 'DSDT')
  t.is(bytes.readBigUInt64LE(140), 0xe1230n, 'X_DSDT')
  t.is(bytes.subarray(116, 129).toString('hex'), '010800016400000000000000fe', 'RESET_REG, RESET_VALUE')
  t.is(bytes.subarray(244, 256).toString('hex'), '010800010006000000000000', 'SLEEP_CONTROL_REG')
  t.is(bytes.subarray(256, 268).toString('hex'), '010800010106000000000000', 'SLEEP_STATUS_REG')
  t.is(bytes.readUInt16LE(109) & 0b10, 0, 'no 8042 to probe')
})

test('the MADT has one local APIC for each vCPU, its id the vCPU number, and the I/O APIC (§5.2.12)', (t) => {
  for (const cpus of [1, 4, 255]) {
    const bytes = Buffer.from(madt(config(cpus, 0)))
    t.is(bytes.readUInt32LE(36), 0xfee0_0000)
    const found: number[][] = []
    for (let at = 44; at < bytes.length; at += bytes[at + 1]!) found.push([...bytes.subarray(at, at + bytes[at + 1]!)])
    t.deepEqual(found, [
      ...Array.from({ length: cpus }, (_, id) => [0, 8, id, id, 1, 0, 0, 0]),
      [1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0],
    ])
  }
})

test('the machine tells of its own device table: each virtio window, the serial port, the generation device', (t) => {
  const memory = createMemory()
  const text = ascii(tables(memory, writeGuestAcpi(memory, 2, 3)).get('DSDT')!)
  t.is(text.split('LNRO0005').length - 1, 3)
  t.is(text.split('ACPI0007').length - 1, 2)
  for (const slot of [0, 1, 2].map(virtioSlot)) {
    const window = Buffer.alloc(21)
    window.set([0x86, 9, 0, 1], 0)
    window.writeUInt32LE(slot.gpa, 4)
    window.writeUInt32LE(slot.size, 8)
    window.set([0x89, 6, 0, 3, 1], 12)
    window.writeUInt32LE(slot.gsi, 17)
    t.true(text.includes(window.toString('latin1')))
  }
  t.true(text.includes('VM_Gen_Counter'))
  t.true(text.includes('ACPI0013'))
})

test('every device has an interrupt line of its own, and the I/O APIC a pin for it', (t) => {
  const lines = [
    PORTS.serial.gsi,
    GENERATION_GSI,
    ...Array.from({ length: VIRTIO_SLOTS }, (_, slot) => virtioSlot(slot).gsi),
  ]
  t.is(new Set(lines).size, lines.length)
  // 0 is the interval timer's.
  t.true(lines.every((gsi) => gsi > 0 && gsi < 24))
})

const iasl = spawnSync('iasl', ['-v']).status === 0
const iaslTest = (title: string, body: (t: ExecutionContext) => void) =>
  iasl ? test(title, body) : test.skip(`${title} (skipped: no iasl here: apt-get install acpica-tools)`, body)

iaslTest('the ACPICA compiler takes our tables apart, and what it makes of them again is the same', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'cloister-acpi-'))
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync('iasl', args, { cwd: directory, encoding: 'utf8', timeout: 20_000 })
    t.is(status, 0, `iasl ${args.join(' ')}: ${stdout}${stderr}`)
    t.notRegex(`${stdout}${stderr}`, /[1-9]\d* (Errors|Warnings)|[Ii]nvalid|checksum/)
  }
  try {
    for (const [name, bytes] of [
      ['facp', fadt(0xe1000, config(4, 3))],
      ['apic', madt(config(4, 3))],
      ['dsdt', dsdt(config(4, VIRTIO_SLOTS))],
    ] as const) {
      writeFileSync(join(directory, `${name}.dat`), bytes)
      run('-d', `${name}.dat`)
      run('-oa', '-p', `${name}-again`, `${name}.dsl`)
      const again = readFileSync(join(directory, `${name}-again.aml`))
      // The header names the compiler and its version.
      t.deepEqual(again.subarray(36), Buffer.from(bytes.subarray(36)), name)
    }
  } finally {
    rmSync(directory, { recursive: true })
  }
})
