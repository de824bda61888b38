import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import { type FileBytes, type Program, readProgram } from '../../src/image/elf-program.ts'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { buildProgram } from '../helpers/program-builder.ts'

const bytes = (content: Uint8Array): FileBytes => ({
  size: content.length,
  read: (offset, length) => content.subarray(offset, offset + length),
})

const describe = (content: Uint8Array | string): Program =>
  readProgram(bytes(typeof content === 'string' ? new TextEncoder().encode(content) : content))

const reason = (content: Uint8Array | string): string => {
  const program = describe(content)
  return program.kind === 'unfit' ? program.reason : program.kind
}

test('static and static-PIE programs are told from dynamic ones by PT_INTERP', (t) => {
  t.deepEqual(describe(buildProgram()), { kind: 'elf', linkage: 'static' })
  t.deepEqual(describe(buildProgram({ type: 3 })), { kind: 'elf', linkage: 'static-pie' })
  const interpreter = '/lib64/ld-linux-x86-64.so.2'
  t.deepEqual(describe(buildProgram({ type: 3, interpreter })), { kind: 'elf', linkage: 'dynamic', interpreter })
})

test('the real busybox of this host is read from its file', (t) => {
  const fd = openSync(BUSYBOX, 'r')
  t.teardown(() => closeSync(fd))
  const program = readProgram({
    size: fstatSync(fd).size,
    read: (offset, length) => {
      const into = new Uint8Array(length)
      return into.subarray(0, readSync(fd, into, 0, length, offset))
    },
  })
  t.like(program, { kind: 'elf' })
})

test('a script names its interpreter, with its argument', (t) => {
  t.deepEqual(describe('#!/bin/sh\necho hi\n'), { kind: 'script', interpreter: '/bin/sh' })
  t.deepEqual(describe('#! /usr/bin/env node'), { kind: 'script', interpreter: '/usr/bin/env node' })
})

test('what is no program for this machine is named in words', (t) => {
  t.is(reason(''), 'empty')
  t.is(reason('hello\n'), 'not an ELF program')
  t.regex(reason(buildProgram({ elfClass: 1 })), /32-bit/)
  t.regex(reason(buildProgram({ machine: 183 })), /AArch64/)
  t.regex(reason(buildProgram({ machine: 4711 })), /machine type 4711/)
  t.regex(reason(buildProgram({ osAbi: 9 })), /another system/)
  t.regex(reason(buildProgram({ type: 1 })), /object file/)
  t.regex(reason(buildProgram({ type: 4 })), /core dump/)
  t.regex(reason(buildProgram({ type: 3, entry: 0n })), /shared library/)
})

test('an ELF file cut at any byte is refused or still whole where it matters, never misread', (t) => {
  const whole = buildProgram({ interpreter: '/lib/ld.so' })
  for (let length = 0; length < whole.length; length++) {
    const program = describe(whole.slice(0, length))
    t.is(program.kind, 'unfit', `${length} bytes`)
  }
})

test('offsets and counts beyond the file, or beyond reason, are refused', (t) => {
  t.regex(reason(buildProgram({ phoff: 2n ** 64n - 1n })), /cut short/)
  t.regex(reason(buildProgram({ phoff: 0x10000n })), /cut short/)
  t.regex(reason(buildProgram({ phnum: 65535 })), /damaged/)
  t.regex(reason(buildProgram({ phnum: 0 })), /damaged/)
  t.regex(reason(buildProgram({ phentsize: 8 })), /damaged/)
  t.regex(reason(buildProgram({ fileSize: 2n ** 64n - 1n })), /cut short/)
})

test('an interpreter with control characters does not reach the terminal as such', (t) => {
  const program = describe(buildProgram({ type: 3, interpreter: '/lib/\u001b[2Jld.so\n' }))
  t.like(program, { linkage: 'dynamic', interpreter: '/lib/?[2Jld.so?' })
})

test('any bytes at all give an answer, from a bounded number of bounded reads inside the file', (t) => {
  const mutated = fc
    .array(fc.tuple(fc.nat(199), fc.integer({ min: 0, max: 255 })), { maxLength: 12 })
    .map((changes) => {
      const file = buildProgram({ interpreter: '/lib/ld.so' })
      for (const [at, value] of changes) file[at] = value
      return file
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 400 }), mutated), (content) => {
      let reads = 0
      const program = readProgram({
        size: content.length,
        read: (offset, length) => {
          reads++
          if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || length > 65536) throw new RangeError()
          return content.subarray(offset, offset + length)
        },
      })
      return reads <= 3 && ['elf', 'script', 'unfit'].includes(program.kind)
    }),
    { numRuns: Number(process.env.CLOISTER_FUZZ_CASES ?? 1000) },
  )
  t.pass()
})
