/** Differentiated System Description Table: processors and devices, which no bus would let a guest find. ACPI 6.5 §5.2.11.1 */
import {
  type Aml,
  ARG0,
  device,
  eisaId,
  equal,
  integer,
  name,
  notify,
  packageOf,
  scope,
  serializedMethod,
  string,
  when,
} from './aml.ts'
import type { AcpiConfig } from './config.ts'
import { interrupt, io, memory32Fixed, resourceTemplate } from './resources.ts'
import { table } from './table.ts'

/** Integers are of 64 bits from revision 2 on. */
const REVISION = 2
const GENERATION_DEVICE = '\\_SB.VGEN'
/** "The generation ID changed": Virtual Machine Generation ID specification. */
const GENERATION_CHANGED = 0x80

export function dsdt(config: AcpiConfig): Uint8Array {
  const { cpus, virtio, serial, generation, sleep } = config
  return table(
    'DSDT',
    REVISION,
    // Working and off are the only states (§7.4.2).
    name('\\_S0', packageOf(integer(0), integer(0), integer(0), integer(0))),
    name('\\_S5', packageOf(integer(sleep.offType), integer(0), integer(0), integer(0))),
    scope(
      '\\_SB',
      ...Array.from({ length: cpus }, (_, id) => processor(id)),
      serialPort(serial),
      ...virtio.map(virtioWindow),
      generationCounter(generation.gpa),
      eventDevice(generation.gsi),
    ),
  )
}

/** Its unique id is the one in the MADT (§8.4). */
const processor = (id: number): Aml =>
  device(`C${hex(id, 3)}`, name('_HID', string('ACPI0007')), name('_UID', integer(id)))

const serialPort = ({ base, size, gsi }: AcpiConfig['serial']): Aml =>
  device(
    'COM1',
    name('_HID', eisaId('PNP0501')),
    name('_UID', integer(0)),
    name('_DDN', string('COM1')),
    name('_CRS', resourceTemplate(io(base, size), interrupt(gsi))),
  )

/** Linux's driver looks for this id (drivers/virtio/virtio_mmio.c). What a device writes is in the processors' caches (§6.2.17). */
const virtioWindow = ({ gpa, size, gsi }: AcpiConfig['virtio'][number], slot: number): Aml =>
  device(
    `VR${hex(slot, 2)}`,
    name('_HID', string('LNRO0005')),
    name('_UID', integer(slot)),
    name('_CCA', integer(1)),
    name('_CRS', resourceTemplate(memory32Fixed(gpa, size), interrupt(gsi))),
  )

/** 16 bytes that are others in every copy of this VM; guests look for the compatible id. */
const generationCounter = (gpa: number): Aml =>
  device(
    'VGEN',
    name('_HID', string('CLST0001')),
    name('_CID', string('VM_Gen_Counter')),
    name('_DDN', string('VM_Gen_Counter')),
    name('ADDR', packageOf(integer(gpa % 2 ** 32), integer(Math.floor(gpa / 2 ** 32)))),
  )

/** Turns an interrupt into a word to a device; a machine without ACPI hardware has no other way (§5.6.9). */
const eventDevice = (gsi: number): Aml =>
  device(
    'GED',
    name('_HID', string('ACPI0013')),
    name('_UID', integer(0)),
    name('_CRS', resourceTemplate(interrupt(gsi))),
    serializedMethod('_EVT', 1, when(equal(ARG0, integer(gsi)), notify(GENERATION_DEVICE, GENERATION_CHANGED))),
  )

const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, '0')
