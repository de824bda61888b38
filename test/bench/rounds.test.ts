import test from 'ava'
import fc from 'fast-check'
import { ContenderRefused } from '../../src/bench/contender.ts'
import { type Entrant, interleave, seededRandom, shuffled } from '../../src/bench/rounds.ts'

const quiet = { progress: () => {} }

/** Notes whose turn it was. */
const counting = (names: readonly string[], turns: string[]): Entrant[] =>
  names.map((name) => ({
    contender: { name, kind: 'peer', what: name },
    measure: async () => ({ turn: turns.push(name) }),
  }))

test('in every round each contender has one turn, and warm-up rounds do not count', async (t) => {
  const names = ['a', 'b', 'c']
  const turns: string[] = []
  const { taken, failed } = await interleave(counting(names, turns), { runs: 4, warmups: 2, seed: 7, ...quiet })
  t.is(turns.length, 18)
  for (let round = 0; round < 6; round++) t.deepEqual(turns.slice(3 * round, 3 * round + 3).sort(), names)
  t.deepEqual(failed, [])
  for (const { contender, values } of taken) {
    const expected = turns.flatMap((name, at) => (name === contender.name && at >= 6 ? [{ turn: at + 1 }] : []))
    t.deepEqual(values, expected)
  }
})

test('the same seed gives the same order of turns, another one another', async (t) => {
  const order = async (seed: number) => {
    const turns: string[] = []
    await interleave(counting(['a', 'b', 'c', 'd', 'e'], turns), { runs: 8, warmups: 0, seed, ...quiet })
    return turns.join('')
  }
  t.is(await order(3), await order(3))
  t.not(await order(3), await order(4))
})

test('one that refuses is out with its reason and its round, and the others go on', async (t) => {
  let round = 0
  const failing: Entrant = {
    contender: { name: 'late', kind: 'peer', what: 'refuses in its third round' },
    measure: async () => {
      if (++round === 3) throw new ContenderRefused('it ended with 1')
      return { total: round }
    },
  }
  const turns: string[] = []
  const entrants = [failing, ...counting(['steady'], turns)]
  const { taken, failed } = await interleave(entrants, { runs: 5, warmups: 0, seed: 1, ...quiet })
  t.deepEqual(failed, [{ name: 'late', kind: 'peer', reason: 'in round 3 it ended with 1' }])
  t.deepEqual(
    taken.map(({ contender, values }) => [contender.name, values.length]),
    [['steady', 5]],
  )
})

test('any other error ends the benchmark: it is a fault of ours or a wish of the user', async (t) => {
  const broken: Entrant = {
    contender: { name: 'broken', kind: 'peer', what: '' },
    measure: async () => {
      throw new TypeError('a fault')
    },
  }
  await t.throwsAsync(interleave([broken], { runs: 1, warmups: 0, seed: 1, ...quiet }), { message: 'a fault' })
})

test('a shuffle keeps every item once, and its random numbers lie in [0, 1)', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer()), fc.nat(999_999), (items, seed) => {
      const random = seededRandom(seed)
      t.deepEqual(
        shuffled(items, random).sort((a, b) => a - b),
        [...items].sort((a, b) => a - b),
      )
      const value = random()
      return value >= 0 && value < 1
    }),
  )
  t.pass()
})

test('over many rounds every contender is first about equally often', (t) => {
  const random = seededRandom(5)
  const first = { a: 0, b: 0, c: 0 }
  for (let round = 0; round < 3000; round++) first[shuffled(['a', 'b', 'c'] as const, random)[0]!]++
  for (const count of Object.values(first)) t.true(count > 850 && count < 1150, String(count))
})
