import { existsSync } from 'node:fs'
import test from 'ava'
import { Wire } from '../../src/bench/wire.ts'
import { whyNoTaps } from '../helpers/taps.ts'

const reason = whyNoTaps()
const withTaps = reason === undefined ? test : test.skip
const there = (name: string) => existsSync(`/sys/class/net/${name}`)

withTaps('a wire is two taps on a bridge, and nothing of it is left when it is closed', async (t) => {
  const wire = new Wire()
  const names = ['b', 'o', 'g'].map((part) => wire.guest.replace(/g$/, part))
  t.deepEqual(names.map(there), [true, true, true])
  t.deepEqual(wire.counts(), { arrived: 0, overflowed: 0 })
  await wire.close()
  t.deepEqual(names.map(there), [false, false, false])
})

withTaps(
  'a second wire of the same process is refused with a reason, and takes nothing away from the first',
  async (t) => {
    const wire = new Wire()
    try {
      t.throws(() => new Wire(), { name: 'ContenderRefused', message: /no wire for it could be made/ })
      t.true(there(wire.guest))
    } finally {
      await wire.close()
    }
  },
)
