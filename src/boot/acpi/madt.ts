/** Multiple APIC Description Table: every processor and the I/O APIC. ACPI 6.5 §5.2.12 */
import { concat, u8, u32 } from './bytes.ts'
import type { AcpiConfig } from './config.ts'
import { table } from './table.ts'

const REVISION = 5
/** A pair of 8259s is there too. */
const PCAT_COMPAT = 1

/** Interrupt controller structures. */
const LOCAL_APIC = { type: 0, length: 8 } as const
const IO_APIC = { type: 1, length: 12 } as const

const ENABLED = 1
const FIRST_GSI = 0

/**
 * No line is overridden: GSI n is pin n, edge-triggered and active high, as the ISA bus has it. The 24 pins of the I/O
 * APIC are read from itself.
 */
export function madt({ cpus, localApic, ioApic }: Pick<AcpiConfig, 'cpus' | 'localApic' | 'ioApic'>): Uint8Array {
  return table(
    'APIC',
    REVISION,
    u32(localApic),
    u32(PCAT_COMPAT),
    ...Array.from({ length: cpus }, (_, id) => concat(u8(LOCAL_APIC.type, LOCAL_APIC.length, id, id), u32(ENABLED))),
    concat(u8(IO_APIC.type, IO_APIC.length, 0, 0), u32(ioApic), u32(FIRST_GSI)),
  )
}
