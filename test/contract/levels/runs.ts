/** What `cloister run` promises in the foreground, at every level. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { packageRoot } from '../../../src/paths.ts'
import { BUSYBOX } from '../../helpers/busybox-spec.ts'
import type { Cli, CliOptions } from '../../helpers/cli.ts'
import { kernelModeEmulated } from '../../helpers/microvm.ts'
import { type Level, placeFor } from './levels.ts'

const PROBE = join(packageRoot, 'rootfs/build/probe')
const host = (args: readonly string[]) => spawnSync(BUSYBOX, args, { encoding: 'utf8' }).stdout

async function whenRunning(cloister: Cli): Promise<void> {
  for (let tries = 0; tries < 3000; tries++) {
    const { stdout } = await cloister(['ps', '--json'])
    if ((JSON.parse(stdout) as unknown[]).length > 0) return
    await sleep(20)
  }
  throw new Error('it did not start')
}

export function runsKeepTheirPromises(level: Level): void {
  const { isolation, lacks, leastMemoryMib } = level
  const levelTest = (title: string, implementation: (t: ExecutionContext) => Promise<void>) =>
    level.test(`${isolation}: ${title}`, implementation)
  const place = placeFor(level)
  test.after.always(() => place.clear())
  const asked = (args: readonly string[]) => [...place.run, ...args]
  const run = (args: readonly string[], options: CliOptions = {}) => cloister(asked(args), options)
  const { cloister } = place
  const recordOf = async (name: string) => {
    const records = JSON.parse((await cloister(['ps', '-a', '--json'])).stdout) as Record<string, unknown>[]
    return records.find((record) => record.name === name)
  }

  levelTest("a program sees itself at its path, and its output is the host's", async (t) => {
    const { status, stdout, stderr } = await run([BUSYBOX, '--', 'sha256sum', BUSYBOX])
    t.is(status, 0, stderr)
    t.is(stdout, host(['sha256sum', BUSYBOX]))
    // Where that takes more than a second, Cloister says what for.
    t.is(stderr.replace(/^\S+ warn {2}making a root image of .*\n/, ''), '')
  })

  levelTest('-i connects standard input to its end; without it the program reads none', async (t) => {
    const input = 'hello\n'.repeat(50_000)
    const { status, stdout } = await run(['-i', BUSYBOX, 'tr', 'a-z', 'A-Z'], { input })
    t.is(status, 0)
    t.true(stdout === input.toUpperCase())
    t.deepEqual(await run([BUSYBOX, 'cat'], { input: 'hello\n' }), { status: 0, stdout: '', stderr: '' })
  })

  levelTest("exit status, standard error, environment and working directory are the program's", async (t) => {
    const script = 'echo "$A:$PWD:$HOME:$HOSTNAME"; echo oops >&2; exit 7'
    const args = ['--name', 'env', '-e', 'A=b c', '-w', '/bin', BUSYBOX, 'sh', '-c', script]
    t.deepEqual(await run(args), { status: 7, stdout: 'b c:/bin:/root:env\n', stderr: 'oops\n' })
  })

  levelTest('the time limit ends a program with 124 and one line that says why', async (t) => {
    const { status, stdout, stderr } = await run(['--timeout', '700ms', BUSYBOX, 'sleep', '60'])
    t.is(status, 124)
    t.is(stdout, '')
    t.is(stderr, 'cloister: The time limit of 700 ms is over (--timeout): the program was ended.\n')
  })

  levelTest('an interrupt reaches the program, and its status says so', async (t) => {
    const { child, result } = cloister.start(asked([BUSYBOX, 'sh', '-c', 'echo up; while :; do :; done']))
    await new Promise((resolve) => child.stdout!.once('data', resolve))
    child.kill('SIGINT')
    t.is((await result).status, 130)
  })

  levelTest("SIGUSR1 and SIGUSR2 are the program's: no debugger listens", async (t) => {
    const script = 'trap "echo one" USR1; trap "echo two; exit 5" USR2; echo up; while :; do :; done'
    const { child, result } = cloister.start(asked([BUSYBOX, 'sh', '-c', script]))
    await new Promise((resolve) => child.stdout!.once('data', resolve))
    child.kill('SIGUSR1')
    await new Promise((resolve) => child.stdout!.once('data', resolve))
    child.kill('SIGUSR2')
    t.deepEqual(await result, { status: 5, stdout: 'up\none\ntwo\n', stderr: '' })
  })

  levelTest('a signal that ends the program is its status', async (t) => {
    const { status } = await run([BUSYBOX, 'sh', '-c', 'kill -9 $$'])
    t.is(status, 137)
  })

  levelTest('what is written is there for the program, and gone for the next one', async (t) => {
    const script =
      '[ -e /tmp/mine ] && exit 9; echo text > /tmp/mine; read line < /tmp/mine; echo "$line"; [ -d /proc/self ]'
    for (let round = 0; round < 2; round++) {
      t.deepEqual(await run([BUSYBOX, 'sh', '-c', script]), { status: 0, stdout: 'text\n', stderr: '' })
    }
  })

  levelTest('a program that takes more memory than it was given does not get it', async (t) => {
    const { status, stderr } = await run([
      '--memory',
      `${leastMemoryMib}M`,
      PROBE,
      'touch',
      String(leastMemoryMib + 60),
    ])
    if (isolation === 'unikernel') {
      // It promises no memory that is not there, so that the program is told.
      t.is(status, 3)
      t.regex(stderr, /no memory after \d+ MiB/)
    } else {
      t.is(status, 137)
      // Linux as it is built for an emulated kernel mode counts no such events.
      if (isolation !== 'microvm' || !kernelModeEmulated) t.regex(stderr, /memory/)
    }
  })

  levelTest('a program of several processes runs, and what it leaves ends with it', async (t) => {
    const { status, stdout, stderr } = await run([BUSYBOX, 'sh', '-c', 'sleep 600 & echo one | cat; exit 4'])
    const refusal = lacks['several processes']
    if (refusal) {
      t.not(status, 4)
      t.regex(stderr, refusal)
    } else t.deepEqual({ status, stdout, stderr }, { status: 4, stdout: 'one\n', stderr: '' })
  })

  levelTest('--user is who the program is, in no other group', async (t) => {
    const { status, stdout, stderr } = await run(['--user', '1000:1001', BUSYBOX, 'id'])
    if (lacks.users) {
      t.is(status, 125)
      t.regex(stderr, lacks.users)
    } else t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'uid=1000 gid=1001\n', stderr: '' })
  })

  levelTest('what cannot be executed or found is told as a shell does, 126 and 127', async (t) => {
    // A small root: at some levels an image is made of it.
    const root = join(place.directory, 'text')
    mkdirSync(root)
    writeFileSync(join(root, 'text'), 'no program')
    for (const [words, expected, reason] of [
      [['--rootfs', root, '/nosuch'], 127, /no such file/],
      [['--rootfs', root, '/text'], 126, /\/text/],
    ] as const) {
      const { status, stderr } = await run(words)
      t.is(status, expected)
      t.regex(stderr, reason)
    }
  })

  levelTest(
    'a finished run stays on record with its status, with --rm it does not, and a name in use is refused',
    async (t) => {
      await cloister(asked(['--name', 'kept', BUSYBOX, 'false']))
      await cloister(asked(['--name', 'gone', '--rm', BUSYBOX, 'true']))
      t.like(await recordOf('kept'), { name: 'kept', isolation, status: 'exited', exitCode: 1 })
      t.is(await recordOf('gone'), undefined)
      t.deepEqual(readdirSync(join(cloister.root, 'run/live')), [])
      const { status, stderr } = await cloister(asked(['--name', 'kept', BUSYBOX, 'true']))
      t.is(status, 125)
      t.regex(stderr, /the name is taken\.\n.*cloister rm kept/)
    },
  )

  levelTest('rm -f ends a running instance and leaves nothing of it', async (t) => {
    const { result } = cloister.start(asked(['--name', 'web', BUSYBOX, 'sleep', '600']))
    await whenRunning(cloister)
    t.is((await cloister(['rm', 'web'])).status, 1)
    t.deepEqual(await cloister(['rm', '-f', 'web']), { status: 0, stdout: 'web\n', stderr: '' })
    const { status, stderr } = await result
    t.is(status, 137)
    t.is(stderr, 'cloister: Instance "web" was ended and removed by another command: cloister rm -f.\n')
    t.is(await recordOf('web'), undefined)
  })

  levelTest('what a killed Cloister process leaves is noticed, told and cleaned by the next command', async (t) => {
    const { child, result } = cloister.start(asked(['--name', 'web', BUSYBOX, 'sleep', '600']))
    await whenRunning(cloister)
    child.kill('SIGKILL')
    await result
    const { stderr } = await cloister(asked(['--rm', '--log-level', 'info', BUSYBOX, 'true']))
    t.regex(stderr, /cleaned up .* instance=web/)
    t.like(await recordOf('web'), { status: 'crashed' })
  })
}
