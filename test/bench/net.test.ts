import { setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import { ContenderRefused } from '../../src/bench/contender.ts'
import { GUEST_ADDRESS, ICMP_ECHO_REPLY, icmp, OUR_MAC } from '../../src/bench/frames.ts'
import { NET_QUESTIONS, Talk } from '../../src/bench/net.ts'
import type { WireEnd } from '../../src/bench/net-partner.ts'

const GUEST_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1)

/** A guest behind a wire of no length: it answers ARP and echoes, and counts what else comes. */
class FakeWire implements WireEnd {
  arrived = 0
  told = 0
  silent = 0
  answersEchoes = true
  #onFrame: ((frame: Uint8Array) => void) | undefined

  listen(onFrame: ((frame: Uint8Array) => void) | undefined): void {
    this.#onFrame = onFrame
  }
  send(frame: Uint8Array): void {
    if (frame[13] === 6) this.#answer(arpReply())
    else if (frame[13] === 0xb5) this.silent++
    else if (frame[34] === ICMP_ECHO_REPLY) this.told++
    else if (this.answersEchoes) this.#answer(icmp(ICMP_ECHO_REPLY, Uint8Array.from(OUR_MAC), frame.length))
  }
  async untilForwarding(): Promise<void> {}
  counts() {
    return { arrived: this.arrived, overflowed: this.silent }
  }
  #answer(frame: Uint8Array): void {
    setImmediate(() => this.#onFrame?.(frame))
  }
}

const arpReply = () => {
  const frame = new Uint8Array(60)
  frame.set([8, 6, 0, 1, 8, 0, 6, 4, 0, 2, ...GUEST_MAC, ...GUEST_ADDRESS], 12)
  return frame
}

const until = async (reached: () => boolean) => {
  while (!reached()) await nextTurn()
}

const start = (wire: FakeWire) => {
  const failures: Error[] = []
  const abort = new AbortController()
  return { talk: new Talk(wire, abort.signal, (error) => failures.push(error)), failures, abort }
}

test('frames out of the guest cost what it says, and what the host counted says what arrived', async (t) => {
  const wire = new FakeWire()
  const { talk } = start(wire)
  wire.arrived = 7
  talk.hear('go transmit 60\r')
  await until(() => wire.told === 1)
  wire.arrived += 80
  talk.hear('transmit 60 100 4000\r')
  t.throws(() => talk.figures(), { instanceOf: ContenderRefused, message: /no figure for transmit-1514/ })
  t.like(talk.heard, { 'transmit-60': 40, 'transmit-60-arrived': 50 })
})

test('the guest is flooded from its word on until it gives its figure', async (t) => {
  const wire = new FakeWire()
  const { talk } = start(wire)
  talk.hear('go receive 1514')
  await until(() => wire.silent > 200)
  t.is(wire.told, 1)
  talk.hear('receive 1514 50 1000')
  const sent = wire.silent
  for (let turns = 0; turns < 5; turns++) await nextTurn()
  t.true(wire.silent <= sent + 128)
  t.like(talk.heard, { 'receive-1514': 20 })
})

test('when all echoes are over the guest is told once more', async (t) => {
  const wire = new FakeWire()
  const { talk, failures } = start(wire)
  talk.hear('go echo 60')
  await until(() => wire.told === 2)
  t.true(talk.heard['echo-60-1']! > 0)
  t.true(talk.heard['echo-60-16']! > 0)
  t.deepEqual(failures, [])
})

test('echoes that never come are a failure with a reason', async (t) => {
  const wire = new FakeWire()
  wire.answersEchoes = false
  const { talk, failures } = start(wire)
  talk.hear('go echo 60')
  await until(() => failures.length > 0)
  t.true(failures[0] instanceof ContenderRefused)
  t.regex(failures[0]!.message, /echoes were lost/)
})

test('every question is answered once by a whole run, and by nothing less', async (t) => {
  const wire = new FakeWire()
  const { talk } = start(wire)
  for (const bytes of [60, 1514]) {
    for (const what of ['transmit', 'receive']) {
      const told = wire.told
      talk.hear(`go ${what} ${bytes}`)
      await until(() => wire.told > told)
      wire.arrived += 10
      talk.hear(`${what} ${bytes} 10 1000`)
    }
    const told = wire.told
    talk.hear(`go echo ${bytes}`)
    await until(() => wire.told === told + 2)
    talk.hear(`echo ${bytes} 10 1000`)
  }
  t.deepEqual(Object.keys(talk.figures()).sort(), NET_QUESTIONS.map(({ id }) => id).sort())
})

test('a guest of which nothing arrived has no figure', async (t) => {
  const wire = new FakeWire()
  const { talk } = start(wire)
  talk.hear('go transmit 60')
  await until(() => wire.told === 1)
  talk.hear('transmit 60 100 4000')
  t.throws(() => talk.figures(), { message: /no figure for transmit-60-arrived/ })
})
