import test from 'ava'
import fc from 'fast-check'
import {
  ARG0,
  buffer,
  device,
  eisaId,
  equal,
  integer,
  name,
  nameString,
  notify,
  packageOf,
  scope,
  serializedMethod,
  string,
  when,
  withLength,
} from '../../../src/boot/acpi/aml.ts'
import { u8 } from '../../../src/boot/acpi/bytes.ts'
import { interrupt, io, memory32Fixed, resourceTemplate } from '../../../src/boot/acpi/resources.ts'
import { BugError } from '../../../src/errors.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

test('an integer takes the smallest form that holds it (ACPI 6.5 §20.2.3)', (t) => {
  const forms: [number | bigint, string][] = [
    [0, '00'],
    [1, '01'],
    [2, '0a02'],
    [0xff, '0aff'],
    [0x100, '0b0001'],
    [0xffff, '0bffff'],
    [0x1_0000, '0c00000100'],
    [0xfee0_0000, '0c0000e0fe'],
    [0x1_0000_0000n, '0e0000000001000000'],
    [2n ** 64n - 1n, '0effffffffffffffff'],
  ]
  for (const [value, bytes] of forms) t.is(hex(integer(value)), bytes, `${value}`)
})

test('a name is segments of four characters with what it takes in front of several (§20.2.2)', (t) => {
  t.is(hex(nameString('_HID')), hex(Buffer.from('_HID')))
  t.is(hex(nameString('GED')), hex(Buffer.from('GED_')))
  t.is(hex(nameString('\\_SB')), hex(Buffer.from('\\_SB_')))
  t.is(hex(nameString('\\_SB.VGEN')), hex(Buffer.from('\\\x2e_SB_VGEN')))
  t.is(hex(nameString('\\_SB.A.B')), hex(Buffer.from('\\\x2f\x03_SB_A___B___')))
  t.is(hex(nameString('^GED')), hex(Buffer.from('^GED_')))
  t.is(hex(nameString('\\')), '5c00')
})

test('what is no name is not written as one', (t) => {
  for (const path of ['abcd', 'TOOLONG', '1ABC', 'A..B', 'A B', '_SB.']) {
    t.throws(() => nameString(path), { instanceOf: BugError }, path)
  }
})

test('a package length counts its own bytes, and takes one to four of them (§20.2.4)', (t) => {
  for (const [contents, head] of [
    [0, '01'],
    [62, '3f'],
    [63, '4104'],
    [0xffd, '4fff'],
    [0xffe, '810001'],
    [0xffffc, '8fffff'],
    [0xffffd, 'c1000001'],
  ] as const) {
    const bytes = withLength(new Uint8Array(contents))
    t.is(hex(bytes.subarray(0, head.length / 2)), head, `${contents}`)
    t.is(bytes.length, contents + head.length / 2)
  }
})

test('any contents are found again by their package length', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100_000 }), (size) => {
        const bytes = withLength(new Uint8Array(size))
        const following = bytes[0]! >> 6
        let length = following === 0 ? bytes[0]! & 0x3f : bytes[0]! & 0xf
        for (let index = 0; index < following; index++) length |= bytes[1 + index]! << (4 + 8 * index)
        return length === bytes.length && bytes.length - 1 - following === size
      }),
    ),
  )
})

test('an EISA id is three letters of five bits and four digits, high byte first (§19.3.4)', (t) => {
  t.is(hex(eisaId('PNP0501')), '0c41d00501')
  t.is(hex(eisaId('PNP0A03')), '0c41d00a03')
  t.throws(() => eisaId('LNRO0005'), { instanceOf: BugError })
})

test('terms have the opcodes of §20.3', (t) => {
  t.is(hex(string('AB')), '0d414200')
  t.is(hex(buffer(u8(7, 8, 9))), '11060a03070809')
  t.is(hex(packageOf(integer(0), integer(5))), '120502000a05')
  t.is(hex(name('_UID', integer(1))), `08${hex(Buffer.from('_UID'))}01`)
  t.is(hex(scope('\\_SB')), `1006${hex(Buffer.from('\\_SB_'))}`)
  t.is(hex(device('GED')), `5b8205${hex(Buffer.from('GED_'))}`)
  t.is(hex(serializedMethod('_EVT', 1)), `1406${hex(Buffer.from('_EVT'))}09`)
  t.is(hex(when(equal(ARG0, integer(3)))), 'a00593680a03')
  t.is(hex(notify('VGEN', 0x80)), `86${hex(Buffer.from('VGEN'))}0a80`)
})

test('resources are those of §6.4, and a template ends with its end tag', (t) => {
  t.is(hex(memory32Fixed(0xd000_0000, 0x1000)), '86090001000000d000100000')
  t.is(hex(interrupt(5)), '890600030105000000')
  t.is(hex(io(0x3f8, 8)), '4701f803f8030108')
  t.is(hex(resourceTemplate(interrupt(5))), '110e0a0b8906000301050000007900')
})
