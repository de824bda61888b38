import test from 'ava'
import fc from 'fast-check'
import { type BufferSink, createBufferSink, createBufferSource } from '../../src/backends/buffer-stream.ts'
import { createSerial } from '../../src/devices/serial.ts'

const [DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7]
const FCR = IIR

const create = (sink: BufferSink = createBufferSink()) => {
  const source = createBufferSource()
  const port = { interrupts: 0 }
  const serial = createSerial({ sink, source, raiseInterrupt: () => port.interrupts++ })
  return {
    serial,
    sink,
    source,
    port,
    inb: (offset: number) => {
      const data = new Uint8Array(1)
      serial.read(offset, data)
      return data[0]!
    },
    outb: (offset: number, value: number) => serial.write(offset, Uint8Array.of(value)),
    type: (text: string) => source.push(new TextEncoder().encode(text)),
  }
}

test('a byte written to the holding register is sent, and the transmitter is empty again', (t) => {
  const { sink, inb, outb } = create()
  t.is(inb(LSR), 0x60)
  for (const character of 'ok\n') outb(DATA, character.charCodeAt(0))
  t.is(sink.takeText(), 'ok\n')
  t.is(inb(LSR), 0x60)
})

test('with DLAB set, offsets 0 and 1 are the divisor latch, and nothing is sent', (t) => {
  const { sink, inb, outb } = create()
  outb(LCR, 0x80)
  outb(DATA, 0x34)
  outb(IER, 0x12)
  t.deepEqual([inb(DATA), inb(IER)], [0x34, 0x12])
  outb(LCR, 0x03)
  t.deepEqual([inb(LCR), inb(IER), sink.length], [0x03, 0, 0])
})

test('it looks like a 16550A to the probe of Linux: IER of 4 bits, scratch, loop mode, FIFO bits of IIR', (t) => {
  const { inb, outb } = create()
  outb(IER, 0)
  t.is(inb(IER), 0)
  outb(IER, 0xff)
  t.is(inb(IER), 0x0f)
  outb(IER, 0)
  outb(MCR, 0x10 | 0x0a)
  t.is(inb(MSR) & 0xf0, 0x90)
  outb(MCR, 0x0b)
  t.is(inb(MSR), 0xb0)
  outb(SCR, 0xa5)
  t.is(inb(SCR), 0xa5)
  outb(FCR, 0x01)
  t.is(inb(IIR), 0xc1)
  // A 16750 would show bit 5 for the 64-byte FIFO.
  outb(LCR, 0x80)
  outb(FCR, 0x21)
  t.is(inb(IIR) >> 5, 6)
  outb(FCR, 0)
  t.is(inb(IIR), 0x01)
})

test('in loop mode bytes come back and are not sent; the 17th overruns', (t) => {
  const { sink, inb, outb } = create()
  outb(FCR, 0x01)
  outb(MCR, 0x10)
  for (let i = 0; i < 17; i++) outb(DATA, 0x40 + i)
  t.is(inb(LSR), 0x63)
  t.is(inb(LSR), 0x61)
  const back = Array.from({ length: 16 }, () => inb(DATA))
  t.is(String.fromCharCode(...back), '@ABCDEFGHIJKLMNO')
  t.is(inb(LSR), 0x60)
  t.is(sink.length, 0)
})

test('every combination of modem outputs loops to its inputs', (t) => {
  const { inb, outb } = create()
  for (const [mcr, msr] of [
    [0x01, 0x20],
    [0x02, 0x10],
    [0x04, 0x40],
    [0x08, 0x80],
    [0x0f, 0xf0],
  ] as const) {
    outb(MCR, 0x10 | mcr)
    t.is(inb(MSR), msr)
  }
})

test('host input is there for a guest that polls', (t) => {
  const { inb, type } = create()
  type('hi')
  t.is(inb(LSR), 0x61)
  t.is(String.fromCharCode(inb(DATA), inb(DATA)), 'hi')
  t.is(inb(LSR), 0x60)
  t.is(inb(DATA), 0)
})

test('host input beyond the FIFO waits in the source', (t) => {
  const { inb, source, type } = create()
  type('0123456789abcdefghij')
  t.is(inb(LSR), 0x61)
  t.is(source.length, 4)
  let text = ''
  while ((inb(LSR) & 1) !== 0) text += String.fromCharCode(inb(DATA))
  t.is(text, '0123456789abcdefghij')
})

test('clearing the receiver FIFO loses no host input', (t) => {
  const { inb, outb, type } = create()
  type('keep')
  t.is(inb(LSR) & 1, 1)
  outb(FCR, 0x07)
  t.is(inb(DATA), 'k'.charCodeAt(0))
})

test('input raises one edge and says so in IIR until it is read', (t) => {
  const { inb, outb, port, type } = create()
  outb(FCR, 0x01)
  outb(IER, 0x01)
  inb(LSR)
  type('ab')
  t.is(port.interrupts, 1)
  t.is(inb(IIR), 0xc4)
  inb(DATA)
  t.is(inb(IIR), 0xc4)
  inb(DATA)
  t.is(inb(IIR), 0xc1)
  inb(LSR)
  type('c')
  t.is(port.interrupts, 2)
})

test('fewer bytes than the trigger level are a character timeout', (t) => {
  const { inb, outb, type } = create()
  outb(FCR, 0x81)
  outb(IER, 0x01)
  type('1234567')
  inb(LSR)
  t.is(inb(IIR), 0xcc)
})

test('enabling the transmitter interrupt while it is empty raises it; reading IIR or sending takes it back', (t) => {
  const { inb, outb, port } = create()
  outb(IER, 0x02)
  t.is(port.interrupts, 1)
  t.is(inb(IIR), 0x02)
  t.is(inb(IIR), 0x01)
  outb(DATA, 0x41)
  t.is(port.interrupts, 2)
  t.is(inb(IIR), 0x02)
})

test('without an enabled cause there is no interrupt', (t) => {
  const { outb, port, type } = create()
  type('x')
  outb(DATA, 0x41)
  t.is(port.interrupts, 0)
})

test('a receiver interrupt goes before one of the transmitter', (t) => {
  const { inb, outb, type } = create()
  type('x')
  outb(IER, 0x03)
  t.is(inb(IIR), 0x04)
  inb(DATA)
  t.is(inb(IIR), 0x02)
})

test('a sink without room makes the transmitter busy; it is empty again, with an interrupt, when the sink took all', (t) => {
  const { sink, inb, outb, port } = create(createBufferSink({ capacity: 1 }))
  outb(IER, 0x02)
  inb(IIR)
  for (const character of 'abc') outb(DATA, character.charCodeAt(0))
  t.is(inb(LSR), 0)
  const before = port.interrupts
  t.is(sink.takeText(), 'a')
  t.is(inb(LSR), 0)
  t.is(sink.takeText(), 'b')
  t.is(inb(LSR), 0x60)
  t.true(port.interrupts > before)
  t.is(sink.takeText(), 'c')
})

test('a guest that sends into a full transmitter loses bytes, and the host keeps 16 (class 27)', (t) => {
  const { serial, outb } = create(createBufferSink({ capacity: 0 }))
  for (let i = 0; i < 1000; i++) outb(DATA, i & 0xff)
  t.is((serial.save() as { sending: unknown[] }).sending.length, 16)
})

test('a wider access is that many byte accesses, and past the last register there is nothing (class 7)', (t) => {
  const { serial, sink } = create()
  serial.write(SCR, Uint8Array.of(0x5a, 0xff, 0xff, 0xff))
  const data = new Uint8Array(4)
  serial.read(SCR, data)
  t.deepEqual([...data], [0x5a, 0xff, 0xff, 0xff])
  serial.write(DATA, Uint8Array.of(0x41, 0x00))
  t.is(sink.takeText(), 'A')
})

test('saved state goes on in another port, input and unsent output included', (t) => {
  const first = create(createBufferSink({ capacity: 0 }))
  first.outb(LCR, 0x80)
  first.outb(DATA, 1)
  first.outb(LCR, 3)
  first.outb(SCR, 0x77)
  first.outb(IER, 1)
  first.outb(DATA, 0x41)
  first.type('in')
  first.inb(LSR)
  const state = JSON.parse(JSON.stringify(first.serial.save()))

  const second = create()
  second.serial.restore(state)
  t.deepEqual(second.serial.save(), state)
  t.is(second.inb(SCR), 0x77)
  t.is(String.fromCharCode(second.inb(DATA), second.inb(DATA)), 'in')
  second.outb(DATA, 0x42)
  t.is(second.sink.takeText(), 'AB')
})

test('an interrupt that nobody has looked into when it was saved comes again, and no other', (t) => {
  const first = create()
  first.outb(IER, 1)
  first.type('x')
  const pending = create()
  pending.serial.restore(first.serial.save())
  t.is(pending.port.interrupts, 1)
  first.inb(DATA)
  const quiet = create()
  quiet.serial.restore(first.serial.save())
  t.is(quiet.port.interrupts, 0)
})

test('any sequence of accesses is answered, and every byte of host input arrives once and in order', (t) => {
  const access = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.option(fc.integer({ min: 0, max: 255 }), { freq: 2 }))
  fc.assert(
    fc.property(fc.array(access, { maxLength: 200 }), fc.string({ maxLength: 60 }), (accesses, typed) => {
      const { inb, outb, type, source } = create()
      const input = Buffer.from(typed)
      source.push(input)
      type('')
      for (const [offset, value] of accesses) {
        // Reading the receiver would take input away from the count below.
        if (value !== null) outb(offset, value)
        else if (offset !== DATA) inb(offset)
      }
      outb(LCR, 0)
      outb(MCR, 0)
      outb(IER, 0)
      const read: number[] = []
      while ((inb(LSR) & 1) !== 0) read.push(inb(DATA))
      return Buffer.from(read).equals(input)
    }),
  )
  t.pass()
})
