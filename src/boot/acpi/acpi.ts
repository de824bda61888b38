/**
 * The ACPI tables of a VM: what firmware would have left in memory. RSDP first, where an old kernel's search finds it
 * too, then XSDT, FADT, MADT and DSDT. ACPI 6.5 §5.2
 */
import { BugError } from '../../errors.ts'
import type { Gpa, GuestMemory } from '../../memory/guest-memory.ts'
import { ACPI_GPA, GENERATION_ID_GPA } from '../../memory/memory-map.ts'
import { checksum, concat, text, u8, u32, u64, zeros } from './bytes.ts'
import type { AcpiConfig } from './config.ts'
import { dsdt } from './dsdt.ts'
import { fadt } from './fadt.ts'
import { madt } from './madt.ts'
import { OEM_ID, table } from './table.ts'

const RSDP_REVISION = 2
const RSDP_SIZE = 36
/** The checksum of the table as ACPI 1.0 knew it. */
const RSDP_SIZE_V1 = 20
const RSDP_CHECKSUM_AT = 8
const RSDP_EXTENDED_CHECKSUM_AT = 32
const XSDT_REVISION = 1
const ALIGNMENT = 16

const align = (gpa: Gpa) => Math.ceil(gpa / ALIGNMENT) * ALIGNMENT

/** The bytes that lie at `gpa`: they point to each other. */
export function buildAcpi(gpa: Gpa, config: AcpiConfig): Uint8Array {
  const placed: Uint8Array[] = []
  let end = align(gpa + RSDP_SIZE)
  const place = (bytes: Uint8Array): Gpa => {
    const at = end
    end = align(at + bytes.length)
    placed.push(concat(bytes, zeros(end - at - bytes.length)))
    return at
  }
  const dsdtGpa = place(dsdt(config))
  const entries = [place(fadt(dsdtGpa, config)), place(madt(config))]
  const xsdt = place(table('XSDT', XSDT_REVISION, ...entries.map(u64)))
  return concat(rsdp(xsdt), zeros(align(gpa + RSDP_SIZE) - gpa - RSDP_SIZE), ...placed)
}

/** @returns the address of the RSDP, for `rsdp_paddr` (PVH) and `acpi_rsdp_addr` (Linux boot protocol). */
export function writeAcpi(memory: GuestMemory, config: AcpiConfig): Gpa {
  const bytes = buildAcpi(ACPI_GPA, config)
  if (bytes.length > GENERATION_ID_GPA - ACPI_GPA) {
    throw new BugError(`Cannot boot: the ACPI tables have ${bytes.length} bytes and do not fit.`)
  }
  memory.bytes(ACPI_GPA, bytes.length).set(bytes)
  return ACPI_GPA
}

/** §5.2.5.3 */
function rsdp(xsdt: Gpa): Uint8Array {
  const bytes = concat(
    text('RSD PTR '),
    u8(0),
    text(OEM_ID, 6),
    u8(RSDP_REVISION),
    u32(0),
    u32(RSDP_SIZE),
    u64(xsdt),
    u8(0),
    zeros(3),
  )
  bytes[RSDP_CHECKSUM_AT] = checksum(bytes.subarray(0, RSDP_SIZE_V1))
  bytes[RSDP_EXTENDED_CHECKSUM_AT] = checksum(bytes)
  return bytes
}
