/** What the ACPI tables of this machine say: its device table, in the words of src/boot/acpi/. */
import { writeAcpi } from '../boot/acpi/acpi.ts'
import type { Gpa, GuestMemory } from '../memory/guest-memory.ts'
import { GENERATION_ID_GPA, IO_APIC_GPA, LOCAL_APIC_GPA } from '../memory/memory-map.ts'
import { GENERATION_GSI, PORTS, virtioSlot } from './device-table.ts'
import { writeGeneration } from './generation.ts'

/** i8042's command to pulse the reset line. */
const RESET_COMMAND = 0xfe

/** Tables, and the number of the guest's first generation. @returns where the RSDP is. */
export function writeGuestAcpi(memory: GuestMemory, cpus: number, deviceCount: number): Gpa {
  writeGeneration(memory)
  return writeAcpi(memory, {
    cpus,
    localApic: LOCAL_APIC_GPA,
    ioApic: IO_APIC_GPA,
    virtio: Array.from({ length: deviceCount }, (_, slot) => virtioSlot(slot)),
    serial: PORTS.serial,
    reset: { port: PORTS.i8042.base + 4, value: RESET_COMMAND },
    sleep: { port: PORTS.sleep.base, offType: PORTS.sleep.offType },
    generation: { gpa: GENERATION_ID_GPA, gsi: GENERATION_GSI },
  })
}
