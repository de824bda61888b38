import test from 'ava'
import { CoalescedMmioRing } from '../../kvm-bindings/coalesced-mmio.ts'
import { coalescedMmio, coalescedMmioRing } from '../../kvm-bindings/structs/coalesced-mmio.ts'

/** KVM's half of the ring. */
function kernelRing() {
  const page = new Uint8Array(4096)
  const header = coalescedMmioRing.view(page)
  const entries = Math.floor((page.length - coalescedMmioRing.size) / coalescedMmio.size)
  const push = (gpa: number) => {
    const data = new Uint8Array(8).fill(gpa)
    const at = coalescedMmioRing.size + header.last * coalescedMmio.size
    page.set(coalescedMmio.encode({ phys_addr: BigInt(gpa), len: 4, pio: 0, data }), at)
    header.last = (header.last + 1) % entries
  }
  return { ring: new CoalescedMmioRing(page), header, push, entries }
}

test('writes that were kept back come out in order, once, with address and data', (t) => {
  const { ring, header, push, entries } = kernelRing()
  let next = 1
  for (let round = 0; round < 5; round++) {
    const pushed: number[] = []
    for (let count = 0; count < entries - 1; count++) {
      pushed.push(next)
      push(next++)
    }
    const seen: number[] = []
    ring.drain((gpa, data) => {
      t.deepEqual([...data], Array(4).fill(gpa & 0xff))
      seen.push(gpa)
    })
    t.deepEqual(seen, pushed)
    t.is(header.first, header.last)
  }
})

test('a guest that writes as fast as it is drained does not keep the host in the loop', (t) => {
  const { ring, push } = kernelRing()
  push(1)
  push(2)
  const seen: number[] = []
  ring.drain((gpa) => {
    seen.push(gpa)
    if (seen.length < 1000) push(gpa + 2)
  })
  t.deepEqual(seen, [1, 2])
  ring.drain((gpa) => seen.push(gpa))
  t.deepEqual(seen, [1, 2, 3, 4])
})

test('draining again while a write is handled leaves the rest to the first, in order', (t) => {
  const { ring, push } = kernelRing()
  for (const gpa of [1, 2, 3]) push(gpa)
  const seen: number[] = []
  const handle = (gpa: number) => {
    ring.drain(handle)
    seen.push(gpa)
  }
  ring.drain(handle)
  t.deepEqual(seen, [1, 2, 3])
})
