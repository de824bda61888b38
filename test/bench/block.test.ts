import test from 'ava'
import { BLOCK_QUESTIONS, figures } from '../../src/bench/block.ts'
import { ContenderRefused } from '../../src/bench/contender.ts'

/** As guest-kernel/tests/block-load.c prints it, by a serial port. */
const OUTPUT = ['read', 'write']
  .flatMap((direction) => [
    `${direction} 4096 1 1000 300000000`,
    `${direction} 4096 16 20000 300000000`,
    `${direction} 1048576 1 600 300000000`,
    `${direction} 1048576 16 1200 300000000`,
  ])
  .concat('PASS block-load')
  .join('\r\n')

test('each load is answered by the time of one request', (t) => {
  const values = figures(OUTPUT)
  t.deepEqual(
    Object.keys(values),
    BLOCK_QUESTIONS.map(({ id }) => id),
  )
  t.like(values, { 'read-4k-1': 300_000, 'read-4k-16': 15_000, 'write-1024k-16': 250_000 })
})

for (const [what, output] of [
  ['a line is missing', OUTPUT.replace(/^write 4096 16.*$/m, '')],
  ['nothing was done', OUTPUT.replace('read 4096 1 1000', 'read 4096 1 0')],
  ['a line is cut off', OUTPUT.slice(0, OUTPUT.lastIndexOf('300000000'))],
]) {
  test(`there are no figures when ${what}`, (t) => {
    t.throws(() => figures(output!), { instanceOf: ContenderRefused, message: /gave no figure for/ })
  })
}
