import test from 'ava'
import { pvhControlRegisters, pvhRegisters, pvhSegments, type Segment } from '../../src/boot/pvh-cpu-state.ts'

/** SDM volume 3 §27.3.1.2: what VM entry checks of a usable segment outside virtual-8086 mode. */
const limitFitsGranularity = ({ limit, g }: Segment) => {
  const low = limit & 0xfff
  const high = limit >>> 20
  return (low === 0xfff || g === 0) && (high === 0 || g === 1)
}

test('entry state is 32-bit protected mode with paging off (pvh.pandoc)', (t) => {
  t.is(pvhControlRegisters.cr0 & 1n, 1n)
  t.is(pvhControlRegisters.cr0 >> 31n, 0n)
  t.is(pvhControlRegisters.cr4, 0n)
  t.is(pvhControlRegisters.efer, 0n)
  t.is(pvhSegments.cs.db, 1)
  t.is(pvhSegments.cs.l, 0)
})

test('EBX points to the start info and interrupts are off', (t) => {
  const { rip, rbx, rflags } = pvhRegisters(0x100040, 0x6000)
  t.is(rip, 0x100040n)
  t.is(rbx, 0x6000n)
  t.is(rflags, 2n)
})

test('CS is an accessed, readable code segment of privilege 0 (SDM vol 3 §27.3.1.2)', (t) => {
  const { cs } = pvhSegments
  t.true([9, 11, 13, 15].includes(cs.type))
  t.deepEqual([cs.s, cs.present, cs.dpl, cs.unusable], [1, 1, 0, 0])
})

test('data segments are accessed and writable; SS has the privilege of CS (SDM vol 3 §27.3.1.2)', (t) => {
  const { cs, ds, es, fs, gs, ss } = pvhSegments
  for (const segment of [ds, es, fs, gs, ss]) {
    t.is(segment.type & 1, 1)
    t.is(segment.s, 1)
    t.is(segment.present, 1)
  }
  t.true([3, 7].includes(ss.type))
  t.is(ss.dpl, cs.dpl)
  t.is(ss.selector & 3, cs.selector & 3)
})

test('TR is a busy TSS in the GDT; LDTR is unusable (SDM vol 3 §27.3.1.2)', (t) => {
  const { tr, ldt } = pvhSegments
  t.is(tr.type, 11)
  t.deepEqual([tr.s, tr.present, tr.unusable, tr.selector & 4], [0, 1, 0, 0])
  t.is(ldt.unusable, 1)
})

test('every limit agrees with its granularity (SDM vol 3 §27.3.1.2)', (t) => {
  for (const [name, segment] of Object.entries(pvhSegments)) t.true(limitFitsGranularity(segment), name)
})
