/** A program that takes every process its guest has leaves room for whoever comes to look, and to end it. */
import { setTimeout as sleep } from 'node:timers/promises'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { detachedCommandLine } from '../helpers/detached.ts'
import { kernelModeEmulated, microvmTest } from '../helpers/microvm.ts'
import { LAB_OPTIONS } from '../helpers/stock-kernel.ts'

/** Kernel threads are among them, a dozen on one processor. Forks are slow where kernel mode is emulated. */
const THREADS = kernelModeEmulated ? 48 : 250
/** Its children stand still; it is told when there can be no more of them, and a shell ends then: but for its trap. */
const BOMB = [
  `${BUSYBOX} mkfifo /tmp/nobody`,
  'trap "echo full; while :; do read -r line; done" EXIT',
  'while :; do { read -r line < /tmp/nobody; } & done',
].join('; ')

microvmTest('where a program forks until it is refused, exec, top and stop still work', async (t, kernel) => {
  const cloister = detachedCommandLine(t)
  const slow = { hangMs: 10 * 60_000 }
  const append = [LAB_OPTIONS.at(-1) ?? '', `sysctl.kernel.threads-max=${THREADS}`].join(' ').trim()
  const words = [
    'run',
    '-d',
    '-i',
    '--isolation',
    'microvm',
    '--memory',
    '128M',
    ...kernel.options(t),
    '--append',
    append,
  ]
  t.like(await cloister([...words, '--name', 'v', BUSYBOX, 'sh', '-c', BOMB], slow), { status: 0 })
  while (!(await cloister(['logs', 'v'], slow)).stdout.includes('full\n')) await sleep(200)
  t.regex((await cloister(['logs', 'v'], slow)).stderr, /can't fork/)

  t.deepEqual(await cloister(['exec', 'v', BUSYBOX, 'sh', '-c', `echo hello | ${BUSYBOX} cat`], slow), {
    ...{ status: 0, stdout: 'hello\n', stderr: '' },
  })
  t.regex((await cloister(['top', 'v'], slow)).stdout, /mkfifo/)
  t.like(await cloister(['stop', '--time', '60s', 'v'], slow), { status: 0 })
  t.is((await cloister(['wait', 'v'], slow)).stdout, '143\n')
})
