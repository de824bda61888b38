import test from 'ava'
import fc from 'fast-check'
import * as REASON from '../../kvm-bindings/exit-reasons.ts'
import type { StructInit } from '../../kvm-bindings/layout.ts'
import { kvmRun } from '../../kvm-bindings/structs/kvm-run.ts'
import { ExitDecoder, type VcpuExit } from '../../kvm-bindings/vcpu-exit.ts'

const PIO_PAGE = 4096

/** A kvm_run mapping as the kernel leaves it after an exit. */
function page(reason: number, fields: Partial<StructInit<typeof kvmRun.fields>> = {}): Uint8Array {
  const mapping = new Uint8Array(3 * 4096)
  Object.assign(kvmRun.view(mapping), { exit_reason: reason, ...fields })
  return mapping
}

const decode = (mapping: Uint8Array): VcpuExit => new ExitDecoder(mapping).decode()

test('a port write says port, size and data', (t) => {
  const mapping = page(REASON.KVM_EXIT_IO, {
    io: { direction: 1, size: 2, port: 0x3f8, count: 1, data_offset: BigInt(PIO_PAGE) },
  })
  mapping.set([0x34, 0x12], PIO_PAGE)
  t.deepEqual(decode(mapping), {
    reason: REASON.KVM_EXIT_IO,
    kind: 'io',
    direction: 'out',
    port: 0x3f8,
    size: 2,
    count: 1,
    data: Uint8Array.of(0x34, 0x12),
  })
})

test('a port read is answered through its live data', (t) => {
  const mapping = page(REASON.KVM_EXIT_IO, {
    io: { direction: 0, size: 4, port: 0x60, count: 1, data_offset: BigInt(PIO_PAGE) },
  })
  const exit = decode(mapping)
  if (exit.kind !== 'io') return t.fail(exit.kind)
  t.is(exit.direction, 'in')
  exit.data.set([1, 2, 3, 4])
  t.deepEqual([...mapping.subarray(PIO_PAGE, PIO_PAGE + 5)], [1, 2, 3, 4, 0])
})

test('one decoder tells any sequence of port accesses as it is', (t) => {
  const accesses = fc.record({
    direction: fc.constantFrom(0, 1),
    size: fc.constantFrom(1, 2, 4),
    port: fc.nat({ max: 0xffff }),
    count: fc.integer({ min: 1, max: 1024 }),
    data_offset: fc.constantFrom(4096n, 4096n, 8192n - 4096n, 4160n),
  })
  const mapping = page(REASON.KVM_EXIT_IO)
  const decoder = new ExitDecoder(mapping)
  fc.assert(
    fc.property(accesses, (io) => {
      kvmRun.view(mapping).io = io as never
      const exit = decoder.decode()
      if (exit.kind !== 'io') return t.fail(exit.kind)
      t.like(exit, { port: io.port, size: io.size, count: io.count, direction: io.direction ? 'out' : 'in' })
      t.is(exit.data.length, io.size * io.count)
      t.is(exit.data.byteOffset, Number(io.data_offset))
    }),
  )
})

test('a memory-mapped access carries an exact address of up to 52 bits', (t) => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 52n - 1n }),
      fc.integer({ min: 1, max: 8 }),
      fc.boolean(),
      (gpa, len, isWrite) => {
        const data = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)
        const exit = decode(
          page(REASON.KVM_EXIT_MMIO, { mmio: { phys_addr: gpa, data, len, is_write: isWrite ? 1 : 0 } }),
        )
        t.deepEqual(exit, {
          reason: REASON.KVM_EXIT_MMIO,
          kind: isWrite ? 'mmioWrite' : 'mmioRead',
          gpa: Number(gpa),
          data: data.slice(0, len),
        })
      },
    ),
  )
})

test('a memory-mapped read is answered through its live data', (t) => {
  const mapping = page(REASON.KVM_EXIT_MMIO, {
    mmio: { phys_addr: 0xfee0_0000n, data: new Uint8Array(8), len: 4, is_write: 0 },
  })
  const exit = decode(mapping)
  if (exit.kind !== 'mmioRead') return t.fail(exit.kind)
  exit.data.fill(0xab)
  t.deepEqual([...kvmRun.view(mapping).mmio.data], [0xab, 0xab, 0xab, 0xab, 0, 0, 0, 0])
})

test('an address that no processor has is refused, not rounded', (t) => {
  const mapping = page(REASON.KVM_EXIT_MMIO, {
    mmio: { phys_addr: 2n ** 60n + 1n, data: new Uint8Array(8), len: 4, is_write: 0 },
  })
  t.throws(() => decode(mapping), { instanceOf: RangeError })
})

const words = (...first: bigint[]) => [...first, ...Array<bigint>(16 - first.length).fill(0n)]

test('an emulation failure brings the bytes of the instruction where KVM tells them', (t) => {
  const failure = { suberror: 1, ndata: 3, flags: 1n, insn_size: 3, insn_bytes: new Uint8Array(15) }
  failure.insn_bytes.set([0x0f, 0x01, 0xca, 0x90])
  const exit = decode(page(REASON.KVM_EXIT_INTERNAL_ERROR, { emulation_failure: failure }))
  t.like(exit, { kind: 'internalError', suberror: 1, insnBytes: Uint8Array.of(0x0f, 0x01, 0xca) })
  const silent = decode(page(REASON.KVM_EXIT_INTERNAL_ERROR, { emulation_failure: { ...failure, flags: 0n } }))
  t.false('insnBytes' in silent)
})

test('an internal error of another kind brings its data and no instruction', (t) => {
  const internal = { suberror: 3, ndata: 2, data: words(1n, 2n, 99n) }
  t.deepEqual(decode(page(REASON.KVM_EXIT_INTERNAL_ERROR, { internal })), {
    reason: REASON.KVM_EXIT_INTERNAL_ERROR,
    kind: 'internalError',
    suberror: 3,
    data: [1n, 2n],
  })
})

test('a count of data beyond the array reads no further than the array', (t) => {
  const exit = decode(page(REASON.KVM_EXIT_INTERNAL_ERROR, { internal: { suberror: 2, ndata: 0xffff, data: words() } }))
  t.is((exit as Extract<VcpuExit, { kind: 'internalError' }>).data.length, 16)
})

const rare: [number, Parameters<typeof page>[1], Record<string, unknown>][] = [
  [REASON.KVM_EXIT_HLT, {}, { kind: 'hlt' }],
  [REASON.KVM_EXIT_SHUTDOWN, {}, { kind: 'shutdown' }],
  [REASON.KVM_EXIT_INTR, {}, { kind: 'interrupted' }],
  [REASON.KVM_EXIT_IRQ_WINDOW_OPEN, {}, { kind: 'irqWindowOpen' }],
  [REASON.KVM_EXIT_DIRTY_RING_FULL, {}, { kind: 'dirtyRingFull' }],
  [REASON.KVM_EXIT_X86_BUS_LOCK, {}, { kind: 'busLock' }],
  [REASON.KVM_EXIT_NMI, {}, { kind: 'nmi' }],
  [
    REASON.KVM_EXIT_FAIL_ENTRY,
    { fail_entry: { hardware_entry_failure_reason: 0x8000_0021n, cpu: 3 } },
    { kind: 'failEntry', hardwareReason: 0x8000_0021n, cpu: 3 },
  ],
  [
    REASON.KVM_EXIT_SYSTEM_EVENT,
    { system_event: { type: 2, ndata: 1, data: words(7n) } },
    { kind: 'systemEvent', type: 2, data: [7n] },
  ],
  [
    REASON.KVM_EXIT_DEBUG,
    { debug: { arch: { exception: 3, pc: 0x1000n, dr6: 1n, dr7: 2n } } },
    { kind: 'debug', exception: 3, pc: 0x1000n, dr6: 1n, dr7: 2n },
  ],
  [
    REASON.KVM_EXIT_EXCEPTION,
    { ex: { exception: 14, error_code: 0x15 } },
    { kind: 'exception', exception: 14, errorCode: 0x15 },
  ],
  [
    REASON.KVM_EXIT_HYPERCALL,
    { hypercall: { nr: 12n, args: [1n, 2n, 3n, 4n, 5n, 6n], ret: 0n, longmode: 1 } },
    { kind: 'hypercall', nr: 12n, args: [1n, 2n, 3n, 4n, 5n, 6n], longMode: true },
  ],
  [
    REASON.KVM_EXIT_X86_RDMSR,
    { msr: { error: 0, reason: 2, index: 0x10a, data: 0n } },
    { kind: 'rdmsr', index: 0x10a, msrReason: 2 },
  ],
  [
    REASON.KVM_EXIT_X86_WRMSR,
    { msr: { error: 0, reason: 4, index: 0x1b, data: 2n ** 63n } },
    { kind: 'wrmsr', index: 0x1b, msrReason: 4, value: 2n ** 63n },
  ],
  [REASON.KVM_EXIT_TPR_ACCESS, { tpr_access: { rip: 5n, is_write: 1 } }, { kind: 'tprAccess', rip: 5n, isWrite: true }],
  [REASON.KVM_EXIT_IOAPIC_EOI, { eoi: { vector: 0x31 } }, { kind: 'ioapicEoi', vector: 0x31 }],
  [REASON.KVM_EXIT_NOTIFY, { notify: { flags: 1 } }, { kind: 'notify', flags: 1 }],
  [REASON.KVM_EXIT_UNKNOWN, { hw: { hardware_exit_reason: 77n } }, { kind: 'unknown', hardwareReason: 77n }],
  [12345, { hw: { hardware_exit_reason: 1n } }, { kind: 'unknown', hardwareReason: 1n }],
]

for (const [reason, fields, expected] of rare) {
  test(`${REASON.exitReasonName(reason)} becomes ${expected.kind}`, (t) => {
    t.deepEqual(decode(page(reason, fields)) as unknown, { reason, ...expected })
  })
}
