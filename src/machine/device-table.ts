/**
 * Where every device sits: its address and its interrupt line (GSI). These rows place devices on the buses and
 * make the guest's command line; nothing else knows an address.
 */
import { VIRTIO_WINDOW_SIZE, VIRTIO_WINDOWS_GPA } from '../memory/memory-map.ts'

export const PORTS = {
  serial: { base: 0x3f8, size: 8, gsi: 4 },
  /** Keyboard controller: data port 0x60 to command port 0x64; only its reset line is of use. */
  i8042: { base: 0x60, size: 5 },
  exit: { base: 0xf4, size: 1 },
  panic: { base: 0x505, size: 1 },
  /** ACPI's sleep control and status registers, and the sleep type that means off: any number that both sides know. */
  sleep: { base: 0x600, size: 2, offType: 5 },
} as const

/** Raised when the VM became another: the second serial port's line, which there is none of. */
export const GENERATION_GSI = 3
/** Lines 0 to 4 belong to the legacy devices; the I/O APIC has 24 pins. */
const FIRST_VIRTIO_GSI = 5
const IOAPIC_PINS = 24
export const VIRTIO_SLOTS = IOAPIC_PINS - FIRST_VIRTIO_GSI

export interface VirtioSlot {
  readonly gpa: number
  readonly size: number
  readonly gsi: number
}

/** @param index 0 to VIRTIO_SLOTS - 1 */
export const virtioSlot = (index: number): VirtioSlot => ({
  gpa: VIRTIO_WINDOWS_GPA + index * VIRTIO_WINDOW_SIZE,
  size: VIRTIO_WINDOW_SIZE,
  gsi: FIRST_VIRTIO_GSI + index,
})

/** The form in which Linux (and our guest kernel) reads a device from its command line: size@base:irq. */
export const virtioArgument = ({ gpa, size, gsi }: VirtioSlot) =>
  `virtio_mmio.device=${size / 1024}K@0x${gpa.toString(16)}:${gsi}`
