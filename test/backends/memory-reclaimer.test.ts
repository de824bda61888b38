import { fstatSync } from 'node:fs'
import test from 'ava'
import { createReclaimer } from '../../src/backends/memory-reclaimer.ts'
import { allocateRam, type Ram } from '../../src/memory/ram.ts'

const MIB = 2 ** 20
const PAGE = 4096

const withRam = (run: (ram: Ram, blocks: () => number) => void, bytes = 16 * MIB) => {
  const ram = allocateRam(bytes)
  try {
    run(ram, () => fstatSync(ram.memfd!).blocks * 512)
  } finally {
    ram.close()
  }
}

test('pages that are given back are free on the host, and read as zeros afterwards', (t) => {
  withRam((ram, blocks) => {
    const reclaimer = createReclaimer()
    reclaimer.bind(ram)
    ram.memory.bytes(0, 8 * MIB).fill(1)
    t.is(blocks(), 8 * MIB)
    t.is(reclaimer.release(MIB, 4 * MIB), 4 * MIB)
    t.is(blocks(), 4 * MIB)
    t.is(
      ram.memory.bytes(MIB, 4 * MIB).find((byte) => byte !== 0),
      undefined,
    )
    t.is(
      ram.memory.bytes(0, MIB).find((byte) => byte !== 1),
      undefined,
    )
    t.is(
      ram.memory.bytes(5 * MIB, 3 * MIB).find((byte) => byte !== 1),
      undefined,
    )
  })
})

test('a view of guest memory is given back by its address, and only whole pages of it', (t) => {
  withRam((ram, blocks) => {
    const reclaimer = createReclaimer()
    reclaimer.bind(ram)
    ram.memory.bytes(0, MIB).fill(1)
    t.is(reclaimer.releaseView(ram.memory.bytes(PAGE + 1, 3 * PAGE)), 2 * PAGE)
    t.is(blocks(), MIB - 2 * PAGE)
    t.is(ram.memory.bytes(2 * PAGE - 1, 1)[0], 1)
    t.is(ram.memory.bytes(2 * PAGE, 1)[0], 0)
    t.is(reclaimer.releaseView(ram.memory.bytes(PAGE + 1, PAGE)), 0)
    t.is(reclaimer.releaseView(new Uint8Array(2 * MIB)), 0)
    t.is(reclaimer.releaseView(new Uint8Array(0)), 0)
  })
})

test('what lies outside memory is left alone: past its end, in the hole for devices, before it begins (class 26)', (t) => {
  withRam((ram, blocks) => {
    const reclaimer = createReclaimer()
    reclaimer.bind(ram)
    ram.memory.bytes(16 * MIB - 2 * PAGE, 2 * PAGE).fill(1)
    for (const [gpa, length] of [
      [16 * MIB, PAGE],
      [0xd000_0000, PAGE],
      [0xffffffff * PAGE, PAGE],
      [-PAGE, PAGE],
    ] as const)
      t.is(reclaimer.release(gpa, length), 0)
    t.is(blocks(), 2 * PAGE)
    t.is(reclaimer.release(16 * MIB - PAGE, 2 ** 40), PAGE)
    t.is(blocks(), PAGE)
  })
})

test('in a guest with a hole below 4 GiB a range is given back on both sides of it', (t) => {
  withRam(
    (ram, blocks) => {
      const reclaimer = createReclaimer()
      reclaimer.bind(ram)
      const [low, high] = ram.regions
      ram.memory.bytes(low!.size - PAGE, PAGE).fill(1)
      ram.memory.bytes(high!.gpa, PAGE).fill(1)
      t.is(blocks(), 2 * PAGE)
      t.is(reclaimer.release(low!.size - PAGE, high!.gpa + PAGE - (low!.size - PAGE)), 2 * PAGE)
      t.is(blocks(), 0)
    },
    5 * 2 ** 30,
  )
})

test('before there is memory there is nothing to give back', (t) => {
  t.is(createReclaimer().release(0, PAGE), 0)
})
