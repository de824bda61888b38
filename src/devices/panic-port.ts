/** One I/O port through which a guest kernel says that it gave up, as the pvpanic device has it. */
import type { BusDevice } from '../bus/bus.ts'
import type { Savable } from '../virtio/saved-state.ts'

/** The guest has panicked: the one event that we know. */
export const PVPANIC_PANICKED = 1

export const createPanicPort = (onPanic: () => void): BusDevice & Savable => ({
  name: 'panic port',
  /** Which events the host understands. */
  read: (_offset, data) => {
    data.fill(0)
    data[0] = PVPANIC_PANICKED
  },
  write: (_offset, data) => {
    if ((data[0]! & PVPANIC_PANICKED) !== 0) onPanic()
  },
  save: () => null,
  restore: () => {},
})
