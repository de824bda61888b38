/**
 * The sleep control and status registers of a machine without ACPI hardware: a guest that switches itself off writes
 * the sleep type of its `_S5` package there. ACPI 6.5 §4.8.3.7
 */
import type { BusDevice } from '../bus/bus.ts'
import type { Savable } from '../virtio/saved-state.ts'

/** Offset 0 is the control register, offset 1 the status register, whose wake bit never comes on. */
const CONTROL = 0
const SLP_EN = 1 << 5
const SLP_TYP_SHIFT = 2
const SLP_TYP_MASK = 0x7

export const createSleepPort = (offType: number, onOff: () => void): BusDevice & Savable => ({
  name: 'sleep port',
  read: (_offset, data) => {
    data.fill(0)
  },
  write: (offset, [value = 0]) => {
    if (offset === CONTROL && value & SLP_EN && ((value >> SLP_TYP_SHIFT) & SLP_TYP_MASK) === offType) onOff()
  },
  save: () => null,
  restore: () => {},
})
