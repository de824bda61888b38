/**
 * Keyboard controller as far as a reset: command 0xfe pulses the processor's reset line. Beyond that it answers the few
 * commands with which a kernel finds out that there is a controller and no keyboard, so that probing is quick.
 * Offset 0 is port 0x60 (data), offset 4 is port 0x64 (status and command). IBM PC AT Technical Reference, section 1.
 */
import type { BusDevice } from '../bus/bus.ts'
import { type Savable, SavedFields } from '../virtio/saved-state.ts'

const DATA = 0
const COMMAND = 4

/** Status register. */
const OUTPUT_FULL = 0x01
/** The controller passed its self-test. */
const SYSTEM_FLAG = 0x04
/** The keyboard is not locked. */
const UNLOCKED = 0x10

const CMD_READ_CONTROL = 0x20
const CMD_WRITE_CONTROL = 0x60
const CMD_DISABLE_AUX = 0xa7
const CMD_TEST_CONTROLLER = 0xaa
const CMD_TEST_KEYBOARD = 0xab
const CMD_READ_OUTPUT_PORT = 0xd0
const CMD_WRITE_OUTPUT_PORT = 0xd1
const CMD_PULSE_RESET = 0xfe

/** Control byte after power-on: both interfaces disabled, system flag. */
const CONTROL_AT_START = 0x34
/** Output port: bit 0 low holds the processor in reset, bit 1 is the A20 gate, always open here. */
const OUTPUT_PORT = 0x03

export const createI8042 = (onReset: () => void): BusDevice & Savable => {
  let control = CONTROL_AT_START
  /** One byte for the driver to read, or -1. */
  let answer = -1
  /** The command that waits for its data byte, or 0. */
  let awaiting = 0

  const command = (value: number): void => {
    awaiting = 0
    if (value === CMD_READ_CONTROL) answer = control
    else if (value === CMD_WRITE_CONTROL || value === CMD_WRITE_OUTPUT_PORT) awaiting = value
    else if (value === CMD_DISABLE_AUX) control |= 0x20
    else if (value === CMD_TEST_CONTROLLER) answer = 0x55
    else if (value === CMD_TEST_KEYBOARD) answer = 0x00
    else if (value === CMD_READ_OUTPUT_PORT) answer = OUTPUT_PORT
    else if (value === CMD_PULSE_RESET) onReset()
  }

  const dataByte = (value: number): void => {
    if (awaiting === CMD_WRITE_CONTROL) control = value
    else if (awaiting === CMD_WRITE_OUTPUT_PORT && (value & 1) === 0) onReset()
    awaiting = 0
  }

  return {
    name: 'i8042',
    read: (offset, data) => {
      data.fill(0xff)
      if (offset === COMMAND) data[0] = UNLOCKED | SYSTEM_FLAG | (answer >= 0 ? OUTPUT_FULL : 0)
      else if (offset === DATA) {
        data[0] = Math.max(answer, 0)
        answer = -1
      }
    },
    write: (offset, data) => {
      if (offset === COMMAND) command(data[0]!)
      else if (offset === DATA) dataByte(data[0]!)
    },
    save: () => ({ control, answer: answer + 1, awaiting }),
    restore: (state) => {
      const saved = new SavedFields('i8042', state)
      control = saved.integer('control', 0xff)
      answer = saved.integer('answer', 0x100) - 1
      awaiting = saved.integer('awaiting', 0xff)
    },
  }
}
