/**
 * A 16550A serial port: 8 registers, FIFOs of 16 bytes, interrupts as edges. The line is infinitely fast: what the host
 * takes is sent at once, and the transmitter is busy only while it takes nothing.
 * National Semiconductor PC16550D data sheet, §8.
 */
import type { ByteSink, ByteSource } from '../backends/streams.ts'
import type { BusDevice } from '../bus/bus.ts'
import { type Json, type Savable, SavedFields } from '../virtio/saved-state.ts'

/** Receiver buffer, transmitter holding; divisor latch low when DLAB is set. */
const RBR_THR_DLL = 0
/** Interrupt enable; divisor latch high when DLAB is set. */
const IER_DLM = 1
/** Interrupt identification when read, FIFO control when written. */
const IIR_FCR = 2
const LCR = 3
const MCR = 4
const LSR = 5
const MSR = 6
const SCR = 7

const IER_RECEIVED = 0x01
const IER_THR_EMPTY = 0x02
const IER_LINE_STATUS = 0x04
const IER_MASK = 0x0f

const IIR_NONE = 0x01
const IIR_THR_EMPTY = 0x02
const IIR_RECEIVED = 0x04
const IIR_LINE_STATUS = 0x06
/** Fewer bytes than the trigger level, and no more coming. */
const IIR_TIMEOUT = 0x0c
const IIR_FIFOS = 0xc0

const FCR_ENABLE = 0x01
const FCR_CLEAR_RECEIVER = 0x02
const FCR_CLEAR_TRANSMITTER = 0x04
const TRIGGER_LEVELS = [1, 4, 8, 14] as const

const LCR_DLAB = 0x80
const MCR_LOOP = 0x10
const MCR_MASK = 0x1f

const LSR_DATA_READY = 0x01
const LSR_OVERRUN = 0x02
/** Transmitter holding register and transmitter empty. */
const LSR_EMPTY = 0x60

/** Clear to send, data set ready, carrier: somebody is always there. */
const MSR_CONNECTED = 0xb0

const FIFO_BYTES = 16

export interface SerialOptions {
  readonly sink: ByteSink
  readonly source?: ByteSource
  /** An edge on the port's interrupt line. */
  readonly raiseInterrupt: () => void
}

export const createSerial = (options: SerialOptions): BusDevice & Savable => new Serial(options)

class Serial implements BusDevice, Savable {
  readonly name = 'serial'
  readonly #sink: ByteSink
  readonly #source: ByteSource | undefined
  readonly #raiseInterrupt: () => void

  #divisor = 12
  #ier = 0
  #fcr = 0
  #lcr = 0
  #mcr = 0
  #scr = 0
  #overrun = false
  /** The holding register became empty and IIR has not said so yet. */
  #thrEmpty = false
  /** Bytes from the host, and bytes the guest sent to itself in loop mode. */
  #received: number[] = []
  #looped: number[] = []
  /** Bytes the sink would not take yet. */
  #sending: number[] = []
  /** Causes that the interrupt line has announced, as IER bits. */
  #announced = 0

  constructor({ sink, source, raiseInterrupt }: SerialOptions) {
    this.#sink = sink
    this.#source = source
    this.#raiseInterrupt = raiseInterrupt
    sink.onDrain(() => this.#flush())
    source?.onReadable(() => {
      if ((this.#ier & IER_RECEIVED) !== 0) this.#receive()
    })
  }

  /** A wider access is so many byte accesses, as on the ISA bus. */
  read(offset: number, data: Uint8Array): void {
    for (let i = 0; i < data.length; i++) data[i] = this.#readRegister(offset + i)
  }

  write(offset: number, data: Uint8Array): void {
    for (let i = 0; i < data.length; i++) this.#writeRegister(offset + i, data[i]!)
  }

  #readRegister(offset: number): number {
    switch (offset) {
      case RBR_THR_DLL:
        return this.#dlab ? this.#divisor & 0xff : this.#readByte()
      case IER_DLM:
        return this.#dlab ? this.#divisor >> 8 : this.#ier
      case IIR_FCR:
        return this.#readIir()
      case LCR:
        return this.#lcr
      case MCR:
        return this.#mcr
      case LSR:
        return this.#readLsr()
      case MSR:
        return this.#loop ? loopedModemStatus(this.#mcr) : MSR_CONNECTED
      case SCR:
        return this.#scr
      default:
        return 0xff
    }
  }

  #writeRegister(offset: number, value: number): void {
    switch (offset) {
      case RBR_THR_DLL:
        if (this.#dlab) this.#divisor = (this.#divisor & 0xff00) | value
        else this.#writeByte(value)
        break
      case IER_DLM:
        if (this.#dlab) this.#divisor = (this.#divisor & 0xff) | (value << 8)
        else this.#writeIer(value & IER_MASK)
        break
      case IIR_FCR:
        this.#writeFcr(value)
        break
      case LCR:
        this.#lcr = value
        break
      case MCR:
        this.#mcr = value & MCR_MASK
        if (!this.#loop) this.#looped = []
        break
      case SCR:
        this.#scr = value
    }
  }

  get #dlab(): boolean {
    return (this.#lcr & LCR_DLAB) !== 0
  }

  get #loop(): boolean {
    return (this.#mcr & MCR_LOOP) !== 0
  }

  get #input(): number[] {
    return this.#loop ? this.#looped : this.#received
  }

  #readByte(): number {
    const byte = this.#input.shift() ?? 0
    this.#receive()
    this.#announce()
    return byte
  }

  #writeByte(value: number): void {
    if (this.#loop) {
      if (this.#looped.length < FIFO_BYTES) this.#looped.push(value)
      else this.#overrun = true
    } else if (this.#sending.length < FIFO_BYTES) {
      this.#sending.push(value)
    }
    this.#thrEmpty = false
    this.#announce()
    this.#flush()
  }

  #flush(): void {
    if (this.#sending.length > 0) this.#sending.splice(0, this.#sink.write(Uint8Array.from(this.#sending)))
    this.#thrEmpty = this.#sending.length === 0
    this.#announce()
  }

  /** Moves host input into the FIFO; the rest stays with the source. */
  #receive(): void {
    if (this.#loop || this.#received.length > 0 || !this.#source) return
    const buffer = new Uint8Array(FIFO_BYTES)
    const count = this.#source.read(buffer)
    for (const byte of buffer.subarray(0, count)) this.#received.push(byte)
    this.#announce()
  }

  #writeIer(value: number): void {
    const added = value & ~this.#ier
    this.#ier = value
    // Enabling this interrupt with nothing to send raises it: drivers start their output so.
    if ((added & IER_THR_EMPTY) !== 0 && this.#sending.length === 0) this.#thrEmpty = true
    if ((added & IER_RECEIVED) !== 0) this.#receive()
    this.#announce()
  }

  /** Clearing the receiver keeps host input: it stands for bytes that have not arrived yet, and none of it is noise. */
  #writeFcr(value: number): void {
    const toggled = ((value ^ this.#fcr) & FCR_ENABLE) !== 0
    this.#fcr = value
    if (toggled || (value & FCR_CLEAR_RECEIVER) !== 0) this.#looped = []
    if (toggled || (value & FCR_CLEAR_TRANSMITTER) !== 0) {
      this.#sending = []
      this.#thrEmpty = true
    }
    this.#announce()
  }

  #readLsr(): number {
    // A guest that polls gets its input here.
    this.#receive()
    const ready = this.#input.length > 0 ? LSR_DATA_READY : 0
    const overrun = this.#overrun ? LSR_OVERRUN : 0
    this.#overrun = false
    this.#announce()
    return ready | overrun | (this.#sending.length === 0 ? LSR_EMPTY : 0)
  }

  #readIir(): number {
    const fifos = (this.#fcr & FCR_ENABLE) !== 0 ? IIR_FIFOS : 0
    const causes = this.#causes()
    if ((causes & IER_LINE_STATUS) !== 0) return fifos | IIR_LINE_STATUS
    if ((causes & IER_RECEIVED) !== 0) return fifos | (this.#input.length >= this.#trigger ? IIR_RECEIVED : IIR_TIMEOUT)
    if ((causes & IER_THR_EMPTY) === 0) return fifos | IIR_NONE
    this.#thrEmpty = false
    this.#announce()
    return fifos | IIR_THR_EMPTY
  }

  get #trigger(): number {
    return (this.#fcr & FCR_ENABLE) !== 0 ? TRIGGER_LEVELS[this.#fcr >> 6]! : 1
  }

  /** Causes that are there and enabled, as IER bits. */
  #causes(): number {
    const there =
      (this.#overrun ? IER_LINE_STATUS : 0) |
      (this.#input.length > 0 ? IER_RECEIVED : 0) |
      (this.#thrEmpty ? IER_THR_EMPTY : 0)
    return there & this.#ier
  }

  /** One edge for each cause that was not there before. */
  #announce(): void {
    const causes = this.#causes()
    const fresh = causes & ~this.#announced
    this.#announced = causes
    if (fresh !== 0) this.#raiseInterrupt()
  }

  save(): Json {
    return {
      divisor: this.#divisor,
      ier: this.#ier,
      fcr: this.#fcr,
      lcr: this.#lcr,
      mcr: this.#mcr,
      scr: this.#scr,
      overrun: this.#overrun,
      thrEmpty: this.#thrEmpty,
      received: [...this.#received],
      looped: [...this.#looped],
      sending: [...this.#sending],
      announced: this.#announced,
    }
  }

  restore(state: Json): void {
    const saved = new SavedFields('serial', state)
    this.#divisor = saved.integer('divisor', 0xffff)
    this.#ier = saved.integer('ier', IER_MASK)
    this.#fcr = saved.integer('fcr', 0xff)
    this.#lcr = saved.integer('lcr', 0xff)
    this.#mcr = saved.integer('mcr', MCR_MASK)
    this.#scr = saved.integer('scr', 0xff)
    this.#overrun = saved.boolean('overrun')
    this.#thrEmpty = saved.boolean('thrEmpty')
    this.#received = saved.integers('received', FIFO_BYTES, 0xff)
    this.#looped = saved.integers('looped', FIFO_BYTES, 0xff)
    this.#sending = saved.integers('sending', FIFO_BYTES, 0xff)
    this.#announced = saved.integer('announced', IER_MASK)
    // Its edge may have been on its way when it was saved. One too many is nothing to a driver.
    if (this.#announced !== 0) this.#raiseInterrupt()
  }
}

/** In loop mode the modem's outputs are wired to its inputs: RTS to CTS, DTR to DSR, OUT1 to RI, OUT2 to DCD. */
const loopedModemStatus = (mcr: number): number =>
  ((mcr & 0x02) << 3) | ((mcr & 0x01) << 5) | ((mcr & 0x04) << 4) | ((mcr & 0x08) << 4)
