/** What the tables tell: the machine's own device table, without the machine. */
import type { Gpa } from '../../memory/guest-memory.ts'

export interface AcpiConfig {
  /** vCPUs; the APIC id of each is its number. */
  readonly cpus: number
  readonly localApic: Gpa
  readonly ioApic: Gpa
  /** The windows of the virtio devices, in slot order. */
  readonly virtio: readonly { readonly gpa: Gpa; readonly size: number; readonly gsi: number }[]
  readonly serial: { readonly base: number; readonly size: number; readonly gsi: number }
  /** A write of `value` to this port restarts the machine. */
  readonly reset: { readonly port: number; readonly value: number }
  /** Sleep control register, and after it the sleep status register. */
  readonly sleep: { readonly port: number; readonly offType: number }
  /** Where the guest finds the number of its generation, and the line that says it became another. */
  readonly generation: { readonly gpa: Gpa; readonly gsi: number }
}
