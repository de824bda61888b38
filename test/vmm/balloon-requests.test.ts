import test from 'ava'
import type { VirtioBalloon } from '../../src/devices/virtio-balloon.ts'
import { virtioBalloon } from '../../src/devices/virtio-balloon.ts'
import { UsageError } from '../../src/errors.ts'
import { askForMemory, guestMemoryUsage } from '../../src/vmm/balloon-requests.ts'

const MIB = 2 ** 20
const guest = { name: 'web', memoryBytes: 64 * MIB }
const balloonOf = (): VirtioBalloon =>
  virtioBalloon({ memoryBytes: guest.memoryBytes, reclaimer: { release: () => 0, releaseView: () => 0 } })

test('a guest with a balloon is asked to live with so much, and may be given all of it again', (t) => {
  const balloon = balloonOf()
  askForMemory(guest, balloon, 32 * MIB)
  t.deepEqual(guestMemoryUsage(balloon), { targetBytes: 32 * MIB, actualBytes: 64 * MIB })
  askForMemory(guest, balloon, 64 * MIB)
  t.is(balloon.targetBytes, 64 * MIB)
})

for (const [what, bytes, message] of [
  ['more than it was started with', 65 * MIB, /it has 64 MiB, and a VM gets no more/],
  ['too little to live with', 15 * MIB, /a guest needs at least 16 MiB/],
] as const) {
  test(`a guest is not asked to live with ${what}`, (t) => {
    const balloon = balloonOf()
    t.throws(() => askForMemory(guest, balloon, bytes), { instanceOf: UsageError, message })
    t.is(balloon.targetBytes, guest.memoryBytes)
  })
}

test('a guest without a balloon cannot be asked, and the user is told what to do instead', (t) => {
  const error = t.throws(() => askForMemory(guest, undefined, 32 * MIB), { instanceOf: UsageError })
  t.regex(error.message, /^Cannot update "web": a unikernel keeps the memory it was given\.$/)
  t.regex(error.hint!, /another --memory/)
})
