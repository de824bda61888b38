import test from 'ava'
import { pvhEntryState } from '../../src/boot/pvh-cpu-state.ts'

const { sregs, regs } = pvhEntryState(0x100040, 0x6000)

test('entry state is 32-bit protected mode with paging off (pvh.pandoc)', (t) => {
  t.is(sregs.cr0 & 1n, 1n)
  t.is(sregs.cr0 >> 31n, 0n)
  t.is(sregs.cr4, 0n)
  t.is(sregs.efer, 0n)
  t.is(sregs.cs.db, 1)
  t.is(sregs.cs.l, 0)
})

test('EBX points to the start info and interrupts are off (pvh.pandoc)', (t) => {
  t.deepEqual(regs, { rip: 0x100040n, rbx: 0x6000n, rflags: 2n })
})

test('code and data segments are flat: base 0, limit 4 GiB (pvh.pandoc)', (t) => {
  for (const name of ['cs', 'ds', 'es', 'ss'] as const) {
    t.like(sregs[name], { base: 0n, limit: 0xffff_ffff, g: 1, present: 1, dpl: 0 }, name)
  }
})

test('the task register holds a TSS of the least size (pvh.pandoc)', (t) => {
  t.like(sregs.tr, { base: 0n, limit: 0x67 })
})
