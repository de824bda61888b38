import test from 'ava'
import fc from 'fast-check'
import {
  arpAnswer,
  arpRequest,
  GUEST_ADDRESS,
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  icmp,
  isEchoReply,
  OUR_ADDRESS,
  OUR_MAC,
  silentFrame,
} from '../../src/bench/frames.ts'
import { onesSum } from '../helpers/net-card.ts'

const MAC = Uint8Array.of(2, 1, 2, 3, 4, 5)

for (const bytes of [60, 61, 1514]) {
  test(`an echo request is a frame of ${bytes} bytes whose two checksums are right`, (t) => {
    const frame = icmp(ICMP_ECHO, MAC, bytes)
    t.is(frame.length, bytes)
    t.deepEqual([...frame.subarray(0, 14)], [...MAC, ...OUR_MAC, 8, 0])
    t.deepEqual([...frame.subarray(26, 34)], [...OUR_ADDRESS, ...GUEST_ADDRESS])
    t.is((frame[16]! << 8) | frame[17]!, bytes - 14)
    const even = bytes % 2 === 0 ? frame : Uint8Array.of(...frame, 0)
    t.is(onesSum(frame.subarray(14, 34)), 0xffff)
    t.is(onesSum(even.subarray(34)), 0xffff)
  })
}

test('only an echo reply over IPv4 is taken for one', (t) => {
  t.true(isEchoReply(icmp(ICMP_ECHO_REPLY, MAC, 60)))
  t.false(isEchoReply(icmp(ICMP_ECHO, MAC, 60)))
  t.false(isEchoReply(silentFrame(MAC, 60)))
})

const answer = () => {
  const frame = arpRequest()
  frame[21] = 2
  frame.set([...MAC, ...GUEST_ADDRESS], 22)
  return frame
}

test("the guest's answer to an ARP request says its MAC address", (t) => {
  t.deepEqual(arpAnswer(answer()), MAC)
  t.is(arpAnswer(arpRequest()), undefined)
})

test("somebody else's answer is not the guest's", (t) => {
  const frame = answer()
  frame[31]!++
  t.is(arpAnswer(frame), undefined)
})

test('whatever comes by the wire is looked at without a fault', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (frame) => {
      const mac = arpAnswer(frame)
      return typeof isEchoReply(frame) === 'boolean' && (mac === undefined || mac.length === 6)
    }),
  )
  t.pass()
})
