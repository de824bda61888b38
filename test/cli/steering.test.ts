/** What can be done to a detached instance, and what it then tells, at every level alike. */
import { setTimeout as sleep } from 'node:timers/promises'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import {
  COUNT_FOR_EVER,
  detachedCommandLine,
  IDLE,
  LEVELS,
  logOf,
  recordOf,
  shell,
  starter,
  until,
} from '../helpers/detached.ts'
import { leftoversOf } from '../helpers/leftovers.ts'

for (const { isolation, levelTest } of LEVELS) {
  const start = starter(isolation)

  levelTest(`${isolation}: wait works before and after the end, for several, in the order asked`, async (t) => {
    const cloister = detachedCommandLine(t)
    await start(t, cloister, ['-i', ...shell('read x; exit 4')], 'slow')
    await start(t, cloister, shell('exit 3'), 'quick')
    const waiting = cloister(['wait', 'slow', 'quick', 'nobody'])
    t.is((await cloister(['wait', 'quick'])).stdout, '3\n')
    await cloister(['attach', 'slow'], { input: 'x\n' })
    const { status, stdout, stderr } = await waiting
    t.deepEqual({ status, stdout }, { status: 1, stdout: '4\n3\n' })
    t.regex(stderr, /^cloister: Cannot wait for instance "nobody": there is none of that name\.\n/)
  })

  levelTest(`${isolation}: kill sends signals by name and by number, and refuses what is none`, async (t) => {
    const cloister = detachedCommandLine(t)
    await start(t, cloister, shell(`trap "echo usr1" USR1; trap "echo hup" HUP; echo up; ${IDLE}`))
    await until(async () => (await logOf(cloister)) === 'up\n')
    t.deepEqual(await cloister(['kill', '-s', 'USR1', 'web']), { status: 0, stdout: 'web\n', stderr: '' })
    await until(async () => (await logOf(cloister)).endsWith('usr1\n'))
    t.is((await cloister(['kill', '-s', '1', 'web'])).status, 0)
    await until(async () => (await logOf(cloister)).endsWith('hup\n'))
    for (const bad of ['0', '65', 'SIGNONE', '', '-1', '1.5']) {
      const { status, stderr } = await cloister(['kill', `--signal=${bad}`, 'web'])
      t.true(status !== 0)
      t.regex(stderr, /^cloister: Cannot /)
    }
    t.is((await recordOf(cloister))?.status, 'running')
    t.deepEqual(await cloister(['kill', 'web', 'nobody']), {
      status: 1,
      stdout: 'web\n',
      stderr: 'cloister: Cannot signal instance "nobody": there is none of that name.\n  See "cloister ps -a".\n',
    })
    t.like(await recordOf(cloister), { status: 'exited', exitCode: 137 })
  })

  levelTest(`${isolation}: stop asks, and ends those who do not listen`, async (t) => {
    const cloister = detachedCommandLine(t)
    const ready = `echo up; ${IDLE}`
    await start(t, cloister, shell(`trap "exit 6" TERM; ${ready}`))
    await start(t, cloister, shell(`trap "" TERM; ${ready}`), 'deaf')
    await until(async () => (await logOf(cloister)) === 'up\n')
    t.deepEqual(await cloister(['stop', 'web']), { status: 0, stdout: 'web\n', stderr: '' })
    t.like(await recordOf(cloister), { status: 'exited', exitCode: 6 })
    await until(async () => (await cloister(['logs', 'deaf'])).stdout === 'up\n')
    t.deepEqual(await cloister(['stop', '--time', '300ms', 'deaf']), { status: 0, stdout: 'deaf\n', stderr: '' })
    t.like(await recordOf(cloister, 'deaf'), { status: 'exited', exitCode: 137 })
  })

  levelTest(`${isolation}: a paused program makes no progress, and goes on where it was`, async (t) => {
    const cloister = detachedCommandLine(t)
    await start(t, cloister, shell(COUNT_FOR_EVER))
    await until(async () => (await logOf(cloister)).length > 0)
    t.deepEqual(await cloister(['pause', 'web']), { status: 0, stdout: 'web\n', stderr: '' })
    t.is((await recordOf(cloister))?.status, 'paused')
    const again = await cloister(['pause', 'web'])
    t.is(again.status, 1)
    t.regex(again.stderr, /^cloister: Cannot pause "web": it is paused already\./)
    // What it had printed may still be on its way out.
    await sleep(300)
    const standing = await logOf(cloister)
    await sleep(500)
    t.is(await logOf(cloister), standing)
    t.like(JSON.parse((await cloister(['stats', '--json', 'web'])).stdout)[0], { status: 'paused' })
    t.is((await cloister(['resume', 'web'])).status, 0)
    t.is((await recordOf(cloister))?.status, 'running')
    await until(async () => (await logOf(cloister)).length > standing.length)
    const numbers = (await logOf(cloister)).trimEnd().split('\n').map(Number)
    t.deepEqual(
      numbers,
      numbers.map((_, at) => at + 1),
    )
    t.regex((await cloister(['resume', 'web'])).stderr, /it is not paused/)
  })

  levelTest(`${isolation}: a paused one can be stopped, killed and removed`, async (t) => {
    const cloister = detachedCommandLine(t)
    const names = ['stopped', 'killed', 'removed']
    for (const name of names) await start(t, cloister, shell(`trap "exit 6" TERM; echo up; ${COUNT_FOR_EVER}`), name)
    for (const name of names) await until(async () => (await cloister(['logs', name])).stdout.startsWith('up\n'))
    t.is((await cloister(['pause', ...names])).status, 0)
    t.is((await cloister(['stop', 'stopped'])).status, 0)
    t.like(await recordOf(cloister, 'stopped'), { status: 'exited', exitCode: 6 })
    t.is((await cloister(['kill', 'killed'])).status, 0)
    t.like(await recordOf(cloister, 'killed'), { status: 'exited', exitCode: 137 })
    t.is((await cloister(['rm', '-f', 'removed'])).status, 0)
    await cloister(['rm', 'stopped', 'killed'])
    t.deepEqual(await leftoversOf(cloister.root, names), [])
  })

  levelTest(`${isolation}: stats tells what one uses, in a table and as JSON`, async (t) => {
    const cloister = detachedCommandLine(t)
    await start(t, cloister, ['--memory', '64M', ...shell('while :; do :; done')], 'busy')
    await start(t, cloister, [BUSYBOX, 'sleep', '600'], 'idle')
    const rows = JSON.parse((await cloister(['stats', '--json'])).stdout) as Record<string, number | string>[]
    t.deepEqual(rows.map(({ name }) => name).sort(), ['busy', 'idle'])
    const [busy, idle] = ['busy', 'idle'].map((name) => rows.find((row) => row.name === name)!)
    t.true(Number(busy!.cpuPercent) > Number(idle!.cpuPercent))
    t.is(busy!.memoryLimitBytes, 64 * 2 ** 20)
    for (const row of rows) t.true(Number(row.memoryBytes) > 0 && Number(row.tasks) > 0 && Number(row.cpuTimeNs) > 0)
    t.regex(
      (await cloister(['stats', 'busy'])).stdout,
      /^NAME +ISOLATION +STATUS +CPU % .*\nbusy +\w+ +running +[\d.]+ /,
    )
    t.is((await cloister(['pause', 'busy'])).status, 0)
    const [paused] = JSON.parse((await cloister(['stats', '--json', 'busy'])).stdout) as Record<string, unknown>[]
    t.is(paused!.status, 'paused')
  })

  levelTest(`${isolation}: events tell the life of an instance in its order`, async (t) => {
    const cloister = detachedCommandLine(t)
    await start(t, cloister, [BUSYBOX, 'sleep', '600'])
    for (const verb of ['pause', 'resume', 'kill', 'rm']) t.is((await cloister([verb, 'web'])).status, 0)
    const events = (await cloister(['events', '--json', 'web'])).stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.deepEqual(
      events.map(({ type }) => type),
      ['create', 'pause', 'resume', 'signal', 'exit', 'remove'],
    )
    t.like(events[0], { instance: 'web', isolation })
    t.is(events[4].exitCode, 137)
    t.is((await cloister(['events', '--since', '2100-01-01'])).stdout, '')
  })

  levelTest(`${isolation}: events -f and stats -f go on with what happens`, async (t) => {
    const cloister = detachedCommandLine(t)
    await start(t, cloister, [BUSYBOX, 'sleep', '600'])
    const [events, stats] = [
      ['events', '-f', '--json'],
      ['stats', '-f', '--json', 'web'],
    ].map((args) => cloister.start(args))
    const texts = [events, stats].map((one) => {
      const seen = { text: '' }
      one!.child.stdout!.on('data', (part) => {
        seen.text += part
      })
      return seen
    })
    await until(() => texts[0]!.text.includes('"create"') && texts[1]!.text.split('\n').length > 2)
    await cloister(['kill', 'web'])
    await until(() => texts[0]!.text.includes('"exit"'))
    // What it measured is gone, so it ends.
    t.is((await stats!.result).status, 0)
    const types = texts[0]!.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).type)
    t.deepEqual(types, ['create', 'signal', 'exit'])
    events!.child.kill('SIGTERM')
    await events!.result
  })

  levelTest(`${isolation}: SIGTERM to its holder ends the program in order`, async (t) => {
    const cloister = detachedCommandLine(t)
    await start(t, cloister, shell(`trap "exit 6" TERM; echo up; ${IDLE}`))
    await until(async () => (await logOf(cloister)) === 'up\n')
    process.kill(Number((await recordOf(cloister))!.pid), 'SIGTERM')
    t.is((await cloister(['wait', 'web'])).stdout, '6\n')
  })
}
