/**
 * Fixed ACPI Description Table of a hardware-reduced machine: there is no ACPI hardware but a register to restart and
 * one to switch off. ACPI 6.5 §5.2.9, §4.1
 */
import type { Gpa } from '../../memory/guest-memory.ts'
import { concat, text, u8, u16, u32, u64, zeros } from './bytes.ts'
import type { AcpiConfig } from './config.ts'
import { table } from './table.ts'

const REVISION = 6
const MINOR_REVISION = 5
const PROFILE_ENTERPRISE_SERVER = 4

/** §5.2.9.3: what a PC has and this machine has not. */
const BOOT = { noVga: 1 << 2, noMsi: 1 << 3, noAspm: 1 << 4, noRtc: 1 << 5 } as const
const FLAGS = { wbinvd: 1 << 0, noPowerButton: 1 << 4, noSleepButton: 1 << 5, resetRegister: 1 << 10, reduced: 1 << 20 }

/** §5.2.3.2: one byte in the I/O space. */
const IO_SPACE = 1
const BYTE_ACCESS = 1
const bytePort = (port: number) => concat(u8(IO_SPACE, 8, 0, BYTE_ACCESS), u64(port))

const GENERIC_ADDRESS_SIZE = 12

export function fadt(dsdt: Gpa, { reset, sleep }: Pick<AcpiConfig, 'reset' | 'sleep'>): Uint8Array {
  return table(
    'FACP',
    REVISION,
    u32(0), // FIRMWARE_CTRL: no FACS, there are no wake vectors
    u32(0), // DSDT: X_DSDT holds it
    u8(0, PROFILE_ENTERPRISE_SERVER),
    // SCI_INT to CENTURY: the hardware that a reduced machine has not.
    zeros(109 - 46),
    u16(BOOT.noVga | BOOT.noMsi | BOOT.noAspm | BOOT.noRtc),
    u8(0),
    u32(FLAGS.wbinvd | FLAGS.noPowerButton | FLAGS.noSleepButton | FLAGS.resetRegister | FLAGS.reduced),
    bytePort(reset.port),
    u8(reset.value),
    u16(0), // ARM_BOOT_ARCH
    u8(MINOR_REVISION),
    u64(0), // X_FIRMWARE_CTRL
    u64(dsdt),
    zeros(8 * GENERIC_ADDRESS_SIZE), // X_PM1a_EVT_BLK to X_GPE1_BLK
    bytePort(sleep.port), // SLEEP_CONTROL_REG
    bytePort(sleep.port + 1), // SLEEP_STATUS_REG
    text('CLOISTER', 8), // Hypervisor Vendor Identity
  )
}
