import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { type Cli, commandLine } from '../helpers/cli.ts'
import { containerTest, temporaryDirectory } from '../helpers/containers.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { leftoversOf } from '../helpers/leftovers.ts'

const LEVELS = [
  { isolation: 'unikernel', levelTest: kvmTestSerial },
  { isolation: 'container', levelTest: containerTest },
] as const

/** A command line whose instances are all gone when the test is over, however it ends. */
function detachedCommandLine(t: ExecutionContext): Cli {
  const cloister = commandLine(t)
  t.teardown(async () => {
    const names = (await cloister(['ps', '-a', '-q'])).stdout.split('\n').filter(Boolean)
    if (names.length > 0) await cloister(['rm', '-f', ...names])
  })
  return cloister
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 20_000; !(await condition()); await sleep(10)) {
    if (Date.now() > deadline) throw new Error('it did not come to that')
  }
}

/** Shell code that forks nothing: a unikernel has one process. */
const IDLE = 'while :; do :; done'
const COUNT_FOR_EVER = 'i=0; while :; do i=$((i+1)); echo $i; j=0; while [ $j -lt 5000 ]; do j=$((j+1)); done; done'
const upTo = (last: number): string => Array.from({ length: last }, (_, at) => `${at + 1}\n`).join('')
const countTo = (last: number) => `i=0; while [ $i -lt ${last} ]; do i=$((i+1)); echo $i; done`

for (const { isolation, levelTest } of LEVELS) {
  const shell = (script: string) => [BUSYBOX, 'sh', '-c', script]
  const start = async (t: ExecutionContext, cloister: Cli, args: readonly string[], name = 'web') => {
    const { status, stdout, stderr } = await cloister(['run', '-d', '--isolation', isolation, '--name', name, ...args])
    t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: `${name}\n`, stderr: '' })
  }
  const recordOf = async (cloister: Cli, name = 'web') => {
    const { stdout } = await cloister(['ps', '-a', '--json'])
    return (JSON.parse(stdout) as Record<string, unknown>[]).find((record) => record.name === name)
  }
  const logOf = async (cloister: Cli, ...args: string[]) => (await cloister(['logs', ...args, 'web'])).stdout

  levelTest(
    `${isolation}: run -d prints a name and returns; ps, inspect and ps -a follow its life to the end`,
    async (t) => {
      const cloister = detachedCommandLine(t)
      const { status, stdout, stderr } = await cloister([
        'run',
        '-d',
        '--isolation',
        isolation,
        ...shell('read x; exit 7'),
        'x',
      ])
      t.is(status, 0, stderr)
      const name = stdout.trim()
      t.regex(name, /^[a-z]+-[a-z]+(-\d+)?$/)
      await start(t, cloister, [BUSYBOX, 'sleep', '600'])
      t.like(await recordOf(cloister), {
        isolation,
        status: 'running',
        detached: true,
        command: [BUSYBOX, 'sleep', '600'],
      })
      t.is((await cloister(['ps', '-q'])).stdout.includes('web\n'), true)
      const [inspected] = JSON.parse((await cloister(['inspect', 'web'])).stdout)
      t.like(inspected, { name: 'web', detached: true, directory: join(cloister.root, 'run/instances/web') })
      t.is(inspected.state.status, 'running')
      t.is(typeof inspected.details, 'object')
      // Without -i the program reads no input, so the first one has ended.
      t.deepEqual(await cloister(['wait', name]), { status: 0, stdout: '7\n', stderr: '' })
      t.like(await recordOf(cloister, name), { status: 'exited', exitCode: 7, pid: undefined })
      t.deepEqual(await cloister(['rm', '-f', 'web', name]), { status: 0, stdout: `web\n${name}\n`, stderr: '' })
      t.deepEqual(await leftoversOf(cloister.root, ['web', name]), [])
    },
  )

  levelTest(
    `${isolation}: logs keeps both streams apart, all bytes of them, and cuts them by lines and by time`,
    async (t) => {
      const cloister = detachedCommandLine(t)
      await start(t, cloister, shell(`${countTo(3000)}; printf "no end \\303"; exit 3`))
      await start(t, cloister, shell('echo one; echo oops >&2; echo two; exit 1'), 'both')
      t.is((await cloister(['wait', 'web'])).stdout, '3\n')
      const all = await cloister(['logs', 'web'])
      t.is(all.stderr, '')
      t.true(all.stdout === `${upTo(3000)}no end \ufffd`, all.stdout.slice(-40))
      t.is((await cloister(['wait', 'both'])).stdout, '1\n')
      t.like(await cloister(['logs', 'both']), { stdout: 'one\ntwo\n', stderr: 'oops\n' })
      t.is(await logOf(cloister, '--tail', '3'), '2999\n3000\nno end \ufffd')
      t.is(await logOf(cloister, '--tail', '0'), '')
      t.is(await logOf(cloister, '--since', '1h'), all.stdout)
      t.is(await logOf(cloister, '--since', '2100-01-01'), '')
      t.is(await logOf(cloister, '-f', '--tail', '1'), 'no end \ufffd')
      const records = (await logOf(cloister, '--json'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      t.true(
        records.every(({ time, stream }) => !Number.isNaN(Date.parse(time)) && ['stdout', 'stderr'].includes(stream)),
      )
      t.is(records.at(-1)?.base64, Buffer.of(0xc3).toString('base64'))
      t.regex(await logOf(cloister, '-t', '--tail', '2'), /^\d{4}-\d\d-\d\dT[\d:.]+Z 3000\n\d{4}\S+Z no end \ufffd$/)
    },
  )

  levelTest(
    `${isolation}: logs -f shows what comes until the end, and leaves quietly when nobody reads it`,
    async (t) => {
      const cloister = detachedCommandLine(t)
      await start(t, cloister, shell(countTo(500)))
      t.deepEqual(await cloister(['logs', '-f', 'web']), { status: 0, stdout: upTo(500), stderr: '' })
      await start(t, cloister, shell(COUNT_FOR_EVER), 'chatty')
      const { child, result } = cloister.start(['logs', '-f', 'chatty'])
      await new Promise((resolve) => child.stdout!.once('data', resolve))
      child.stdout!.destroy()
      const { stderr } = await result
      t.is(stderr, '')
      t.is((await recordOf(cloister, 'chatty'))?.status, 'running')
    },
  )

  levelTest(`${isolation}: what is kept of the output stays within --log-size, and is the end of it`, async (t) => {
    const cloister = detachedCommandLine(t)
    await start(t, cloister, ['--log-size', '256K', BUSYBOX, 'seq', '1', '200000'])
    await cloister(['wait', 'web'])
    const directory = join(cloister.root, 'run/instances/web')
    const size = readdirSync(directory)
      .filter((file) => file.startsWith('output'))
      .reduce((sum, file) => sum + readFileSync(join(directory, file)).length, 0)
    t.true(size <= 256 * 1024 + 100 * 1024, `${size}`)
    const output = await logOf(cloister)
    t.true(output.endsWith('\n199999\n200000\n'))
    t.true(output.length > 32 * 1024)
  })

  levelTest(
    `${isolation}: attach gives output from now on, takes input to its end, and passes the status on`,
    async (t) => {
      const cloister = detachedCommandLine(t)
      const script = 'echo early; while read line; do echo "$line"; done; echo late >&2; exit 5'
      await start(t, cloister, ['-i', ...shell(script)])
      await until(async () => (await logOf(cloister)) === 'early\n')
      const [few, many] = ['hello\n'.repeat(500), 'hello\n'.repeat(50_000)]
      const attached = await cloister(['attach', 'web'], { input: few })
      t.deepEqual(attached, { status: 5, stdout: few, stderr: 'late\n' })
      t.true((await logOf(cloister)) === `early\n${few}`)
      await start(t, cloister, ['-i', BUSYBOX, 'cat'], 'cat')
      const { status, stdout } = await cloister(['attach', 'cat'], { input: many })
      t.is(status, 0)
      t.true(stdout === many, `${stdout.length} of ${many.length}`)
    },
  )

  levelTest(
    `${isolation}: attach passes an interrupt on; with --no-signals it ends itself and not the program`,
    async (t) => {
      const cloister = detachedCommandLine(t)
      await start(t, cloister, shell(`trap "echo caught; exit 9" INT; ${COUNT_FOR_EVER}`))
      const attached = async (...flags: string[]) => {
        const running = cloister.start(['attach', ...flags, 'web'])
        await new Promise((resolve) => running.child.stdout!.once('data', resolve))
        return running
      }
      const watcher = await attached('--no-signals')
      watcher.child.kill('SIGINT')
      t.is((await watcher.result).status, 'SIGINT')
      const steerer = await attached()
      steerer.child.kill('SIGINT')
      const { status, stdout } = await steerer.result
      t.is(status, 9)
      t.true(stdout.endsWith('caught\n'))
    },
  )

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
    t.regex((await cloister(['stats', 'busy'])).stdout, /^NAME +ISOLATION +CPU % .*\nbusy +\w+ +[\d.]+ /)
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

  levelTest(
    `${isolation}: whoever is attached or waits when its holder is killed is told, and comes back`,
    async (t) => {
      const cloister = detachedCommandLine(t)
      await start(t, cloister, shell(COUNT_FOR_EVER))
      const attached = cloister.start(['attach', 'web'])
      const waiting = cloister.start(['wait', 'web'])
      const following = cloister.start(['logs', '-f', 'web'])
      await Promise.all(
        [attached, following].map(({ child }) => new Promise((resolve) => child.stdout!.once('data', resolve))),
      )
      process.kill(Number((await recordOf(cloister))!.pid), 'SIGKILL')
      t.regex((await attached.result).stderr, /^cloister: Cannot attach to instance "web": it has ended\./)
      t.like(await waiting.result, { status: 0, stdout: '125\n', stderr: '' })
      t.like(await following.result, { status: 0, stderr: '' })
      t.like(await recordOf(cloister), { status: 'crashed' })
      t.is((await cloister(['rm', 'web'])).status, 0)
      t.deepEqual(await leftoversOf(cloister.root, ['web']), [])
    },
  )

  levelTest(`${isolation}: with --rm its record goes with it, and --timeout ends it with 124`, async (t) => {
    const cloister = detachedCommandLine(t)
    await start(t, cloister, ['--rm', '--timeout', '4s', BUSYBOX, 'sleep', '600'])
    t.is((await cloister(['wait', 'web'])).stdout, '124\n')
    await until(async () => (await recordOf(cloister)) === undefined)
    t.deepEqual(await leftoversOf(cloister.root, ['web']), [])
  })

  levelTest(`${isolation}: run -d of what cannot start says so with its status, and leaves no record`, async (t) => {
    const cloister = detachedCommandLine(t)
    const plain = join(temporaryDirectory(t), 'plain')
    writeFileSync(plain, 'text\n', { mode: 0o644 })
    const refused = async (args: readonly string[]) => {
      const { status, stdout, stderr } = await cloister([
        'run',
        '-d',
        '--isolation',
        isolation,
        '--name',
        'web',
        ...args,
      ])
      t.is(stdout, '')
      t.regex(stderr, /^cloister: .+\n/)
      t.true(stderr.trimEnd().split('\n').length <= 3, stderr)
      return status
    }
    t.is(await refused([plain]), 126)
    t.is(await refused(['/nowhere/at/all']), 127)
    t.is(
      await refused([
        ...(isolation === 'unikernel' ? ['--cpus', '2'] : ['--memory', '4M', '--workdir', '/etc/passwd']),
        BUSYBOX,
        'true',
      ]),
      125,
    )
    t.is((await cloister(['ps', '-a', '--json'])).stdout, '[]\n')
    t.deepEqual(await leftoversOf(cloister.root, ['web']), [])
  })

  levelTest(`${isolation}: commands say plainly what is not there, has ended, or runs in the foreground`, async (t) => {
    const cloister = detachedCommandLine(t)
    await start(t, cloister, [BUSYBOX, 'true'])
    await cloister(['wait', 'web'])
    for (const verb of ['attach', 'stop', 'kill', 'pause', 'resume', 'stats']) {
      const ended = await cloister([verb, 'web'])
      t.true(ended.status === 1 || ended.status === 125, verb)
      t.regex(
        ended.stderr,
        /^cloister: Cannot .* instance "web": it has ended\.\n {2}"cloister inspect web" says how\.\n$/,
      )
    }
    for (const verb of ['attach', 'stop', 'kill', 'pause', 'resume', 'stats', 'inspect', 'logs', 'wait']) {
      t.regex(
        (await cloister([verb, 'nobody'])).stderr,
        /^cloister: Cannot .* instance "nobody": there is none of that name\./,
      )
    }
    const { child, result } = cloister.start([
      'run',
      '--isolation',
      isolation,
      '--name',
      'front',
      ...shell(`echo up; ${IDLE}`),
    ])
    await new Promise((resolve) => child.stdout!.once('data', resolve))
    t.regex(
      (await cloister(['attach', 'front'])).stderr,
      /Cannot attach to "front": it runs in the foreground of another command\./,
    )
    t.regex((await cloister(['logs', 'front'])).stderr, /none was kept\.\n.*foreground/)
    t.is((await cloister(['pause', 'front'])).status, 0)
    t.is((await cloister(['resume', 'front'])).status, 0)
    t.is((await cloister(['stop', '--time', '100ms', 'front'])).status, 0)
    await result
    t.like(await recordOf(cloister, 'front'), { status: 'exited' })
  })

  levelTest(`${isolation}: a deep state root and a name with dots are no obstacle`, async (t) => {
    const root = join(temporaryDirectory(t), 'd'.repeat(100), 'e'.repeat(100))
    const env = { CLOISTER_ROOT: root }
    const cloister = commandLine(t)
    const name = 'web.1-2_3'
    t.deepEqual(
      await cloister(['run', '-d', '--isolation', isolation, '--name', name, BUSYBOX, 'sleep', '600'], { env }),
      {
        status: 0,
        stdout: `${name}\n`,
        stderr: '',
      },
    )
    t.is((await cloister(['stats', '--json', name], { env })).status, 0)
    t.is((await cloister(['pause', name], { env })).status, 0)
    t.deepEqual(await cloister(['rm', '-f', name], { env }), { status: 0, stdout: `${name}\n`, stderr: '' })
    t.deepEqual(await leftoversOf(root, [name]), [])
  })

  levelTest(`${isolation}: SIGTERM to its holder ends the program in order`, async (t) => {
    const cloister = detachedCommandLine(t)
    await start(t, cloister, shell(`trap "exit 6" TERM; echo up; ${IDLE}`))
    await until(async () => (await logOf(cloister)) === 'up\n')
    process.kill(Number((await recordOf(cloister))!.pid), 'SIGTERM')
    t.is((await cloister(['wait', 'web'])).stdout, '6\n')
  })
}

test.serial('a name that is taken is refused without touching the one that has it', async (t) => {
  const cloister = detachedCommandLine(t)
  await cloister(['run', '--name', 'web', BUSYBOX, 'true'])
  const { status, stderr } = await cloister(['run', '-d', '--name', 'web', BUSYBOX, 'true'])
  t.is(status, 125)
  t.regex(stderr, /the name is taken/)
  t.true(existsSync(join(cloister.root, 'run/instances/web')))
})
