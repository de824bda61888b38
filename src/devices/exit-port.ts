/**
 * One I/O port through which a guest ends its VM with a status, as QEMU's isa-debug-exit has it. QEMU itself would exit
 * with (v << 1) | 1; here `v` is the whole message.
 */
import type { BusDevice } from '../bus/bus.ts'
import type { Savable } from '../virtio/saved-state.ts'

export const createExitPort = (onExit: (value: number) => void): BusDevice & Savable => ({
  name: 'exit port',
  read: (_offset, data) => {
    data.fill(0)
  },
  write: (_offset, data) => onExit(data[0]!),
  save: () => null,
  restore: () => {},
})
