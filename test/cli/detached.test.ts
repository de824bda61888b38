/** What a detached instance is: its start, its output, its record and its end, at every level alike. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { commandLine } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import {
  COUNT_FOR_EVER,
  countTo,
  detachedCommandLine,
  IDLE,
  LEVELS,
  logOf,
  recordOf,
  shell,
  starter,
  until,
  upTo,
} from '../helpers/detached.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { leftoversOf } from '../helpers/leftovers.ts'

for (const { isolation, levelTest } of LEVELS) {
  const start = starter(isolation)

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
}

kvmTestSerial('a name that is taken is refused without touching the one that has it', async (t) => {
  const cloister = detachedCommandLine(t)
  await cloister(['run', '--name', 'web', BUSYBOX, 'true'])
  const { status, stderr } = await cloister(['run', '-d', '--name', 'web', BUSYBOX, 'true'])
  t.is(status, 125)
  t.regex(stderr, /the name is taken/)
  t.true(existsSync(join(cloister.root, 'run/instances/web')))
})
