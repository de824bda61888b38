import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import anyTest, { type ExecutionContext } from 'ava'
import {
  explainRefusal,
  hasRange,
  processLimit,
  rootlessMode,
  userNamespaceRefusal,
} from '../../src/container/rootless.ts'
import { sweepContainer } from '../../src/container/sweep.ts'
import { CLOISTER } from '../helpers/cli.ts'
import { temporaryDirectory, whyNoContainers } from '../helpers/containers.ts'
import { stillLiving } from '../helpers/living.ts'

const test = anyTest
/** Nobody on a usual host. */
const USER = 64_321
const helper = (name: string) => fileURLToPath(new URL(`../helpers/${name}.js`, import.meta.url))

const asUser = (...command: string[]): [string, string[]] => [
  'setpriv',
  [`--reuid=${USER}`, `--regid=${USER}`, '--clear-groups', ...command],
]

function reasonAgainst(): string | undefined {
  if (whyNoContainers !== undefined) return whyNoContainers
  const [file, args] = asUser(
    'unshare',
    '--user',
    '--map-root-user',
    '--mount',
    '--pid',
    '--fork',
    '--mount-proc',
    'true',
  )
  const trial = spawnSync(file, args, { encoding: 'utf8' })
  if (trial.status !== 0) return `no user namespaces: ${trial.stderr.trim()}`
  const [reader, reading] = asUser('test', '-r', helper('container-shell'))
  return spawnSync(reader, reading).status === 0 ? undefined : 'an ordinary user cannot read this checkout'
}

const whyNot = reasonAgainst()
const rootlessTest = (title: string, implementation: (t: ExecutionContext) => Promise<void>) =>
  whyNot === undefined
    ? test.serial(title, implementation)
    : test.serial.skip(`${title} (skipped: ${whyNot})`, implementation)

/** A directory of that user, and in it one for an instance. */
function directories(t: ExecutionContext): { home: string; directory: string } {
  const home = temporaryDirectory(t)
  const directory = join(home, 'instance')
  mkdirSync(directory)
  for (const path of [home, directory]) chownSync(path, USER, USER)
  return { home, directory }
}

function run(t: ExecutionContext, program: string, ...args: string[]) {
  const { home, directory } = directories(t)
  const [file, rest] = asUser(process.execPath, helper(program), directory, ...args)
  const env = { ...process.env, HOME: home, CLOISTER_ROOT: home }
  const { stdout, stderr, status } = spawnSync(file, rest, { encoding: 'utf8', env, timeout: 30_000 })
  return { stdout, stderr, status, directory }
}

rootlessTest('an ordinary user runs a container: root inside is the user outside, and nobody else', async (t) => {
  const result = run(t, 'container-shell', 'sh', '-c', 'id -u; cat /proc/self/uid_map; exit 7')
  t.like(result, { status: 7, stderr: '' })
  t.deepEqual(result.stdout.trim().split(/\s+/), ['0', '0', String(USER), '1'])
  t.deepEqual(readdirSync(result.directory), [])
})

/** runc is first here; crun is where control groups are of version 2 alone, which a mount namespace can make it seem. */
const VIEWS = [
  { name: 'the runtime of this host', before: '' },
  { name: 'crun', before: 'umount -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && ' },
] as const
const crunIsThere = spawnSync('crun', ['--version']).status === 0

for (const { name, before } of VIEWS) {
  const viewTest: typeof rootlessTest =
    name === 'crun' && !crunIsThere
      ? (title, body) => test.serial.skip(`${title} (skipped: it is missing)`, body)
      : rootlessTest
  viewTest(`further programs, copies and a list of processes are his too: ${name}`, async (t) => {
    const { home } = directories(t)
    const steps = [
      'run -d --isolation container --name web /bin/busybox sleep 600',
      'inspect web',
      `exec web /bin/busybox sh -c 'id -u; grep -E "^(CapEff|Seccomp|NoNewPrivs):" /proc/self/status; exit 7'`,
      'exec web nosuch',
      'exec -u 5 web /bin/busybox true',
      'cp /etc/hostname web:/tmp/copy',
      'cp web:/tmp/copy -',
      'top --json web',
      'rm -f web',
    ]
    const [file, words] = asUser('sh', '-c', steps.map((step) => `${CLOISTER} ${step}; echo "= $?"`).join('\n'))
    const script = `${before}exec ${[file, ...words].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')}`
    const env = { ...process.env, HOME: home, CLOISTER_ROOT: home }
    const { stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', script], {
      encoding: 'utf8',
      env,
      timeout: 60_000,
    })
    const [started, inspected, ran, missing, refused, copied, shown, listed, removed] = stdout
      .split(/= (\d+)\n/)
      .flatMap((part, at, all) => (at % 2 === 1 ? [[all[at - 1]!, part] as const] : []))
    t.deepEqual(started, ['web\n', '0'], stderr)
    if (name === 'crun') t.is(JSON.parse(inspected![0])[0].details.runtime.name, 'crun')
    t.is(ran![1], '7')
    t.regex(ran![0], /^0\nCapEff:\t0*[1-9a-f][0-9a-f]*\nNoNewPrivs:\t1\nSeccomp:\t2\n$/)
    t.deepEqual([missing![1], refused![1], copied![1]], ['127', '125', '0'])
    t.regex(stderr, /Cannot run as user 5:5 in container "web": only root exists in it/)
    t.deepEqual(shown, [readFileSync('/etc/hostname', 'utf8'), '0'])
    t.is(JSON.parse(listed![0]).length, 2)
    t.is(removed![1], '0')
  })
}

rootlessTest('what it writes is its own, and the program file stays what it was', async (t) => {
  const result = run(
    t,
    'container-shell',
    'sh',
    '-c',
    'echo x > /etc/x && rm -r /etc && mkdir /etc && ls /etc; echo x > /bin/busybox',
  )
  t.is(result.stdout, '')
  t.regex(result.stderr, /can't create \/bin\/busybox: Read-only file system/)
})

rootlessTest("it gives the user no right that he does not have: what others own is nobody's", async (t) => {
  const result = run(t, 'container-shell', 'sh', '-c', 'stat -c %u /proc; chown 1 /tmp; mknod /tmp/d b 8 0; hostname x')
  t.is(result.stdout, '65534\n')
  t.regex(result.stderr, /chown: .*Invalid argument/)
  t.regex(result.stderr, /mknod: .*Operation not permitted/)
  t.regex(result.stderr, /hostname: .*Operation not permitted/)
})

rootlessTest('a fork bomb meets a limit without a control group', async (t) => {
  const result = run(t, 'container-shell', 'sh', '-c', 'while :; do sleep 1000 & done')
  t.regex(result.stderr, /can't fork: Resource temporarily unavailable/)
  t.deepEqual(readdirSync(result.directory), [])
})

rootlessTest(
  'a start that fails is explained once, in our words, and the tools in between are not heard',
  async (t) => {
    const { home } = directories(t)
    const env = { PATH: process.env.PATH ?? '', HOME: home, CLOISTER_ROOT: join(home, 'state') }
    // Everything that is mounted below / would have to be left out.
    const [file, args] = asUser(
      CLOISTER,
      'run',
      '--log-level',
      'silent',
      '--isolation',
      'container',
      '--rootfs',
      '/',
      'ls',
    )
    const stderr = openSync(join(home, 'stderr'), 'w+')
    const { status } = spawnSync(file, args, { env, stdio: ['ignore', 'ignore', stderr], cwd: home, timeout: 30_000 })
    closeSync(stderr)
    const said = readFileSync(join(home, 'stderr'), 'utf8')
    t.is(status, 125)
    t.regex(
      said,
      /^cloister: Cannot start container .*: mount overlay: Invalid argument\. Other file systems are mounted below/,
    )
    t.is(said.trim().split('\n').length, 1)
  },
)

rootlessTest('limits that nobody enforces are not claimed', async (t) => {
  const { stdout, stderr } = run(t, 'container-describe', 'rootless')
  t.is(stderr, '')
  const { security, usage, pause, warnings } = JSON.parse(stdout)
  const line = (topic: string) => security.find((one: { topic: string }) => one.topic === topic)
  t.like(line('boundary'), { state: 'on' })
  t.regex(line('boundary').detail, new RegExp(`root inside is user ${USER} of the host`))
  t.like(line('memory'), { state: 'off' })
  t.like(line('processor'), { state: 'off' })
  t.like(line('processes'), {
    state: 'partial',
    detail: 'it sees its own only; at most 512 of each user inside, a resource limit',
  })
  t.like(line('system calls'), { state: 'on' })
  t.true(usage.memoryBytes > 0 && usage.tasks === 2)
  t.regex(pause, /without root it has no control group to freeze/)
  t.is(warnings.length, 1)
})

for (const moment of [80, 110, 140, 'started'] as const) {
  rootlessTest(
    `SIGKILL to its holder leaves nothing either, ${moment === 'started' ? moment : `${moment} ms after the start`}`,
    async (t) => {
      const { home, directory } = directories(t)
      const seconds = `86401.${process.pid}${moment}`.replace('started', '999')
      const [file, args] = asUser(process.execPath, helper('container-holder'), directory, 'crash', seconds)
      const env = { ...process.env, HOME: home, CLOISTER_ROOT: home }
      const holder = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'], env })
      if (moment === 'started') await once(holder.stdout!, 'data')
      else await new Promise((resolve) => setTimeout(resolve, moment))
      holder.kill('SIGKILL')
      await once(holder, 'exit')
      t.deepEqual(await stillLiving([directory, seconds]), [])
      await sweepContainer('crash', directory)
      t.deepEqual(readdirSync(directory), [])
    },
  )
}

test('ranges of other users are looked up by name or number', (t) => {
  const text = 'alice:100000:65536\n64321:200000:65536\nbob:0:1\n\n'
  t.true(hasRange(text, 1000, 'alice'))
  t.true(hasRange(text, 64_321, ''))
  t.false(hasRange(text, 1001, 'carol'))
  t.false(hasRange(text, 1002, 'bob'))
  t.false(hasRange('', 0, ''))
  t.is(rootlessMode(0), undefined)
})

/** A directory with the given sysctls in it. */
function sysctls(t: ExecutionContext, values: Record<string, string>): string {
  const root = temporaryDirectory(t)
  for (const [name, value] of Object.entries(values)) {
    const file = join(root, name.replaceAll('.', '/'))
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, `${value}\n`)
  }
  return root
}

test('a host that forbids user namespaces is named with the switch that does it, and the remedy', (t) => {
  t.is(userNamespaceRefusal(sysctls(t, {})), undefined)
  t.is(
    userNamespaceRefusal(sysctls(t, { 'user.max_user_namespaces': '96365', 'kernel.unprivileged_userns_clone': '1' })),
    undefined,
  )
  const debian = userNamespaceRefusal(sysctls(t, { 'kernel.unprivileged_userns_clone': '0' }))
  t.regex(debian?.reason ?? '', /kernel\.unprivileged_userns_clone is 0/)
  t.regex(debian?.hint ?? '', /sudo sysctl kernel\.unprivileged_userns_clone=1/)
  t.regex(
    userNamespaceRefusal(sysctls(t, { 'user.max_user_namespaces': '0' }))?.hint ?? '',
    /user\.max_user_namespaces=15000/,
  )
})

test('what fails while the namespaces are made is put down to what is known to forbid it', (t) => {
  const said = 'unshare: write failed /proc/self/uid_map: Operation not permitted'
  const ubuntu = sysctls(t, { 'kernel.apparmor_restrict_unprivileged_userns': '1' })
  t.regex(explainRefusal(said, ubuntu) ?? '', /sysctl kernel\.apparmor_restrict_unprivileged_userns=0/)
  t.regex(explainRefusal(said, sysctls(t, {})) ?? '', /use sudo/)
  t.regex(explainRefusal('unshare: mount /proc failed: Operation not permitted', sysctls(t, {})) ?? '', /partly hidden/)
  t.regex(explainRefusal('mount overlay: Invalid argument') ?? '', /mounted below its root/)
  t.is(explainRefusal('no space left on device'), undefined)
})

test('processes are limited by a resource limit where the kernel counts them for each user namespace', (t) => {
  t.is(processLimit('6.18.44-fc').length, 1)
  t.is(processLimit('5.14.0').length, 1)
  t.deepEqual(processLimit('5.10.0-28-amd64'), [])
  t.deepEqual(processLimit('4.19'), [])
})
