import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ExecSession, ExecSpec } from '../../src/instance/exec.ts'
import type { Instance } from '../../src/instance/instance.ts'
import { BUSYBOX, busyboxSpec } from '../helpers/busybox-spec.ts'
import { containerTest, startContainer } from '../helpers/containers.ts'
import { detachedCommandLine, until } from '../helpers/detached.ts'

const spec = (...argv: string[]): ExecSpec => ({ argv: [BUSYBOX, ...argv], env: [], interactive: false })

async function textOf(stream: Readable): Promise<string> {
  let text = ''
  for await (const part of stream) text += part
  return text
}

async function finished(session: ExecSession) {
  const [result, stdout, stderr] = await Promise.all([session.wait(), textOf(session.stdout), textOf(session.stderr)])
  return { ...result, stdout, stderr }
}

const NAMESPACES = ['cgroup', 'ipc', 'mnt', 'net', 'pid', 'user', 'uts'] as const
const FIELDS = /^(Cap\w+|NoNewPrivs|Seccomp\w*|Uid|Gid|Groups):.*$/gm

/** What holds a process back, as the host sees it. */
const walls = (pid: number) => ({
  namespaces: NAMESPACES.map((name) => readlinkSync(`/proc/${pid}/ns/${name}`)),
  groups: readFileSync(`/proc/${pid}/cgroup`, 'utf8'),
  status: readFileSync(`/proc/${pid}/status`, 'utf8').match(FIELDS),
  limits: readFileSync(`/proc/${pid}/limits`, 'utf8'),
  root: readlinkSync(`/proc/${pid}/root`),
  descriptors: readdirSync(`/proc/${pid}/fd`).length,
})

/** The program's among those processes, by a word of its command line. */
const pidWith = (instance: Instance, word: string): number | undefined =>
  instance.pids().find((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      return words[0] === BUSYBOX && words.includes(word)
    } catch {
      return false
    }
  })

containerTest('a further program has the walls of the first one, every one of them', async (t) => {
  const { instance } = await startContainer(t, busyboxSpec(['sleep', '1001']))
  await instance.exec!(spec('sleep', '1002'))
  await until(() => pidWith(instance, '1002') !== undefined)
  const first = walls(pidWith(instance, '1001')!)
  t.deepEqual(walls(pidWith(instance, '1002')!), first)
  t.deepEqual(
    first.status?.find((line) => line.startsWith('NoNewPrivs')),
    'NoNewPrivs:\t1',
  )
})

containerTest('one of another user holds no capability', async (t) => {
  const { instance } = await startContainer(t, busyboxSpec(['sleep', '1001']))
  const session = await instance.exec!({ ...spec('grep', '^Cap[PE]', '/proc/self/status'), user: { uid: 7, gid: 8 } })
  const { stdout, exitCode } = await finished(session)
  t.is(exitCode, 0)
  t.regex(stdout, /^(Cap(Prm|Eff):\t0{16}\n){2}$/)
})

containerTest(
  'its end is its own: what it left behind goes on, and keeps nobody waiting for more output',
  async (t) => {
    const { instance, directory } = await startContainer(t, busyboxSpec(['sleep', '1001']))
    const text = 'x'.repeat(200_000)
    const script = `sleep 1003 & i=0; while [ $i -lt 200 ]; do echo ${'x'.repeat(999)}; i=$((i+1)); done; exit 3`
    const { exitCode, stdout } = await finished(await instance.exec!(spec('sh', '-c', script)))
    t.is(exitCode, 3)
    t.is(stdout.length, text.length)
    const left = () => execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).includes('sleep 1003')
    t.true(left())
    t.deepEqual(
      readdirSync(join(directory, 'container')).filter((name) => name.startsWith('exec-')),
      [],
    )
    await instance.close()
    t.false(left())
  },
)

containerTest('one that is abandoned hears of it, and ends in any case, its group with it', async (t) => {
  const { instance } = await startContainer(t, busyboxSpec(['sleep', '1001']))
  const polite = await instance.exec!(
    spec('sh', '-c', 'trap "echo hangup; exit 6" HUP; echo up; while :; do sleep 0.1; done'),
  )
  const deaf = await instance.exec!(spec('sh', '-c', 'trap "" HUP; echo up; sleep 1004; sleep 1005'))
  const outputs = [polite, deaf].map((session) => {
    const seen = { text: '' }
    session.stdout.on('data', (part) => {
      seen.text += part
    })
    return seen
  })
  await until(() => outputs.every(({ text }) => text === 'up\n'))
  for (const session of [polite, deaf]) {
    session.abandon()
    session.abandon()
  }
  t.deepEqual(await polite.wait(), { exitCode: 6 })
  t.is((await deaf.wait()).exitCode, 137)
  t.is(outputs[0]!.text, 'up\nhangup\n')
  await until(() => pidWith(instance, '1004') === undefined)
  t.not(pidWith(instance, '1001'), undefined)
})

containerTest('an end of the container is theirs, and is told', async (t) => {
  const { instance } = await startContainer(t, busyboxSpec(['sleep', '1001'], { name: 'web' }))
  const session = await instance.exec!(spec('sleep', '1002'))
  await until(() => pidWith(instance, '1002') !== undefined)
  instance.kill({ exitCode: 137 })
  t.deepEqual(await session.wait(), {
    exitCode: 137,
    report: 'Instance "web" has ended, and this program with it.',
  })
  await instance.close()
  await t.throwsAsync(instance.exec!(spec('true')), { message: /it has ended/ })
})

containerTest('a paused one takes no further program, and says so', async (t) => {
  const { instance } = await startContainer(t, busyboxSpec(['sleep', '1001']))
  await instance.pause()
  await t.throwsAsync(instance.exec!(spec('true')), { message: /it is paused/ })
  await instance.resume()
  t.is((await finished(await instance.exec!(spec('true')))).exitCode, 0)
})

containerTest('a link in the way of its working directory leads nowhere out of the container', async (t) => {
  const { instance } = await startContainer(t, busyboxSpec(['sleep', '1001']))
  // As in CVE-2024-21626: whatever a runtime has open, a descriptor of it is no way in.
  const links = Array.from({ length: 60 }, (_, fd) => `ln -s /proc/self/fd/${fd} /tmp/l${fd}`).join('; ')
  t.is((await finished(await instance.exec!(spec('sh', '-c', links)))).exitCode, 0)
  for (let fd = 3; fd < 60; fd += 7) {
    const session = await instance.exec!({ ...spec('ls', '-a'), cwd: `/tmp/l${fd}` })
    const { exitCode, stdout, report = '' } = await finished(session)
    t.is(exitCode, 125, stdout)
    t.regex(report, /^Cannot use \/tmp\/l\d+ as the working directory: /)
  }
})

containerTest('SIGKILL to its holder leaves neither the container nor what was started in it', async (t) => {
  const cloister = detachedCommandLine(t)
  await cloister(['run', '-d', '--isolation', 'container', '--name', 'web', BUSYBOX, 'sleep', '1006'])
  const { child, result } = cloister.start(['exec', 'web', BUSYBOX, 'sh', '-c', 'echo up; sleep 1007'])
  await new Promise((resolve) => child.stdout!.once('data', resolve))
  const [{ pid }] = JSON.parse((await cloister(['ps', '--json'])).stdout)
  process.kill(pid, 'SIGKILL')
  const { status, stderr } = await result
  t.is(status, 125)
  t.regex(stderr, /web.*has ended/)
  // The runtime's own processes name a directory of this state root.
  const left = () => {
    const commands = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
    return /sleep 100[67]$/m.test(commands) || commands.includes(cloister.root)
  }
  for (let tries = 0; left() && tries < 200; tries++) await sleep(20)
  t.false(left())
})
