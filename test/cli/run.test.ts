import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { type Cli, commandLine } from '../helpers/cli.ts'
import { containerTest, temporaryDirectory } from '../helpers/containers.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'

/** The same promises at every level: what is different is the wall, not what the caller sees. */
const LEVELS = [
  { isolation: 'unikernel', levelTest: kvmTestSerial },
  { isolation: 'container', levelTest: containerTest },
] as const

const host = (args: readonly string[], input = '') =>
  spawnSync(BUSYBOX, args, { input, encoding: 'utf8', maxBuffer: 2 ** 26 }).stdout

async function whenRunning(cloister: Cli): Promise<void> {
  for (let tries = 0; tries < 500; tries++) {
    const { stdout } = await cloister(['ps', '--json'])
    if ((JSON.parse(stdout) as unknown[]).length > 0) return
    await sleep(20)
  }
  throw new Error('it did not start')
}

for (const { isolation, levelTest } of LEVELS) {
  const run = (t: ExecutionContext, args: readonly string[], options = {}) =>
    commandLine(t)(['run', '--isolation', isolation, ...args], options)

  levelTest(`${isolation}: a program sees itself at its path, and its output is the host's`, async (t) => {
    const expected = host(['sha256sum', BUSYBOX])
    t.deepEqual(await run(t, [BUSYBOX, 'sha256sum', BUSYBOX]), { status: 0, stdout: expected, stderr: '' })
    t.deepEqual(await run(t, [BUSYBOX, '--', 'sha256sum', BUSYBOX]), { status: 0, stdout: expected, stderr: '' })
  })

  levelTest(`${isolation}: -i connects standard input to its end; without it the program reads none`, async (t) => {
    const input = 'hello\n'.repeat(50_000)
    const { status, stdout } = await run(t, ['-i', BUSYBOX, 'tr', 'a-z', 'A-Z'], { input })
    t.is(status, 0)
    t.true(stdout === input.toUpperCase())
    t.deepEqual(await run(t, [BUSYBOX, 'cat'], { input: 'hello\n' }), { status: 0, stdout: '', stderr: '' })
  })

  levelTest(
    `${isolation}: exit status, standard error, environment and working directory are the program's`,
    async (t) => {
      const script = 'echo "$A:$PWD"; echo oops >&2; exit 7'
      const result = await run(t, ['-e', 'A=b c', '-w', '/bin', BUSYBOX, 'sh', '-c', script])
      t.deepEqual(result, { status: 7, stdout: 'b c:/bin\n', stderr: 'oops\n' })
    },
  )

  levelTest(`${isolation}: the time limit ends a program with 124 and one line that says why`, async (t) => {
    const { status, stdout, stderr } = await run(t, ['--timeout', '700ms', BUSYBOX, 'sleep', '60'])
    t.is(status, 124)
    t.is(stdout, '')
    t.is(stderr, 'cloister: The time limit of 700 ms is over (--timeout): the program was ended.\n')
  })

  levelTest(`${isolation}: an interrupt reaches the program, and its status says so`, async (t) => {
    const cloister = commandLine(t)
    const { child, result } = cloister.start([
      'run',
      '--isolation',
      isolation,
      BUSYBOX,
      'sh',
      '-c',
      'echo up; while :; do :; done',
    ])
    await new Promise((resolve) => child.stdout!.once('data', resolve))
    child.kill('SIGINT')
    t.is((await result).status, 130)
  })

  levelTest(`${isolation}: SIGUSR1 and SIGUSR2 are the program's: no debugger listens`, async (t) => {
    const script = 'trap "echo one" USR1; trap "echo two; exit 5" USR2; echo up; while :; do :; done'
    const { child, result } = commandLine(t).start(['run', '--isolation', isolation, BUSYBOX, 'sh', '-c', script])
    await new Promise((resolve) => child.stdout!.once('data', resolve))
    child.kill('SIGUSR1')
    await new Promise((resolve) => child.stdout!.once('data', resolve))
    child.kill('SIGUSR2')
    t.deepEqual(await result, { status: 5, stdout: 'up\none\ntwo\n', stderr: '' })
  })

  levelTest(`${isolation}: a finished run stays on record with its status, with --rm it does not`, async (t) => {
    const cloister = commandLine(t)
    await cloister(['run', '--isolation', isolation, '--name', 'kept', BUSYBOX, 'false'])
    await cloister(['run', '--isolation', isolation, '--name', 'gone', '--rm', BUSYBOX, 'true'])
    const records = JSON.parse((await cloister(['ps', '-a', '--json'])).stdout)
    t.is(records.length, 1)
    t.like(records[0], { name: 'kept', isolation, status: 'exited', exitCode: 1 })
    t.deepEqual(readdirSync(join(cloister.root, 'run/live')), [])
  })

  levelTest(`${isolation}: rm -f ends a running instance and leaves nothing of it`, async (t) => {
    const cloister = commandLine(t)
    const { result } = cloister.start(['run', '--isolation', isolation, '--name', 'web', BUSYBOX, 'sleep', '60'])
    await whenRunning(cloister)
    t.is((await cloister(['rm', 'web'])).status, 1)
    t.deepEqual(await cloister(['rm', '-f', 'web']), { status: 0, stdout: 'web\n', stderr: '' })
    const { status, stderr } = await result
    t.is(status, 137)
    t.is(stderr, 'cloister: Instance "web" was ended and removed by another command: cloister rm -f.\n')
    t.is((await cloister(['ps', '-a', '--json'])).stdout, '[]\n')
  })

  levelTest(
    `${isolation}: what a killed Cloister process leaves is noticed, told and cleaned by the next command`,
    async (t) => {
      const cloister = commandLine(t)
      const { child, result } = cloister.start([
        'run',
        '--isolation',
        isolation,
        '--name',
        'web',
        BUSYBOX,
        'sleep',
        '60',
      ])
      await whenRunning(cloister)
      child.kill('SIGKILL')
      await result
      const { stderr } = await cloister([
        'run',
        '--isolation',
        isolation,
        '--rm',
        '--log-level',
        'info',
        BUSYBOX,
        'true',
      ])
      t.regex(stderr, /cleaned up .* instance=web/)
      const records = JSON.parse((await cloister(['ps', '-a', '--json'])).stdout)
      t.like(records[0], { name: 'web', status: 'crashed' })
    },
  )

  levelTest(`${isolation}: a name in use is refused, with the way to free it`, async (t) => {
    const cloister = commandLine(t)
    await cloister(['run', '--isolation', isolation, '--name', 'web', BUSYBOX, 'true'])
    const { status, stderr } = await cloister(['run', '--isolation', isolation, '--name', 'web', BUSYBOX, 'true'])
    t.is(status, 125)
    t.regex(stderr, /the name is taken\.\n.*cloister rm web/)
  })
}

kvmTestSerial(
  '--trace exits narrates on standard error or into a file, and leaves standard output alone',
  async (t) => {
    const cloister = commandLine(t)
    const file = join(temporaryDirectory(t), 'trace')
    const aloud = await cloister(['run', '--trace', 'exits', BUSYBOX, 'echo', 'hi'])
    t.is(aloud.stdout, 'hi\n')
    t.regex(aloud.stderr, /^#1 .* KVM_EXIT_/m)
    const quiet = await cloister(['run', '--trace', `exits:${file}`, BUSYBOX, 'echo', 'hi'])
    t.deepEqual(quiet, { status: 0, stdout: 'hi\n', stderr: '' })
    t.regex(readFileSync(file, 'utf8'), /^#1 .* KVM_EXIT_/m)
  },
)

kvmTestSerial('a kernel that is no kernel is refused in one line', async (t) => {
  const file = join(temporaryDirectory(t), 'kernel')
  writeFileSync(file, 'hello\n')
  const { status, stderr } = await commandLine(t)(['run', '--kernel', file, BUSYBOX, 'true'])
  t.is(status, 125)
  t.true(stderr.startsWith('cloister: Cannot '), stderr)
  t.true(stderr.trimEnd().split('\n').length <= 3)
})

test('a program whose Cloister cannot keep state is not started', async (t) => {
  const file = join(temporaryDirectory(t), 'file')
  writeFileSync(file, '')
  const { status, stderr } = await commandLine(t)(['run', BUSYBOX, 'true'], { env: { CLOISTER_ROOT: file } })
  t.is(status, 125)
  t.regex(stderr, /Cannot keep state in .*: it is not a real directory\.\n.*CLOISTER_ROOT/)
})
