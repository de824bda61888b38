import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { PIDS_LIMIT } from '../../src/container/bundle.ts'
import { createContainer } from '../../src/container/container.ts'
import { containerCgroup } from '../../src/container/sweep.ts'
import { hasEnded, readStatus } from '../../src/host/process-status.ts'
import type { RunSpec } from '../../src/instance/run-spec.ts'
import { BUSYBOX, busyboxSpec } from '../helpers/busybox-spec.ts'
import { containerTest, runContainer, startContainer, temporaryDirectory } from '../helpers/containers.ts'

const SIGINT = 2
const SIGUSR1 = 10

/** A root directory with busybox as a few commands. */
function rootfs(t: ExecutionContext): string {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  mkdirSync(join(directory, 'bin'))
  copyFileSync(BUSYBOX, join(directory, 'bin/busybox'))
  for (const applet of ['sh', 'cat', 'ls']) symlinkSync('busybox', join(directory, 'bin', applet))
  return directory
}

const rootfsSpec = (directory: string, argv: readonly [string, ...string[]], changes: Partial<RunSpec> = {}) =>
  busyboxSpec([], { source: { kind: 'rootfs', directory }, program: argv[0], argv, ...changes })

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10))
}

containerTest('a program runs with its arguments, output and errors go apart, and its status comes out', async (t) => {
  const result = await runContainer(t, busyboxSpec(['sh', '-c', 'echo "$0:$1"; echo oops >&2; exit 7', 'a b', 'c']))
  t.like(result, { exitCode: 7, stdout: 'a b:c\n', stderr: 'oops\n', report: undefined })
})

containerTest('with -i the program reads our input to its end, without it there is none', async (t) => {
  const spec = busyboxSpec(['tr', 'a-z', 'A-Z'])
  const text = 'hello\n'.repeat(20_000)
  t.is((await runContainer(t, { ...spec, interactive: true }, text)).stdout, text.toUpperCase())
  t.is((await runContainer(t, spec, text)).stdout, '')
})

containerTest('environment, working directory, hostname and argv[0] are the ones asked for', async (t) => {
  const script = 'echo $X; pwd; hostname; cat /proc/self/cmdline'
  const spec = busyboxSpec([], { name: 'web.1', cwd: '/tmp', env: ['X=y z'], argv: ['./busybox', 'sh', '-c', script] })
  t.is((await runContainer(t, spec)).stdout, `y z\n/tmp\nweb.1\ncat\0/proc/self/cmdline\0`)
  const typed = busyboxSpec([], { cwd: '/tmp', argv: ['./busybox', 'cat', '/proc/self/cmdline'] })
  t.is((await runContainer(t, typed)).stdout, './busybox\0cat\0/proc/self/cmdline\0')
})

containerTest('the marks on the way come in order and the last one is after close', async (t) => {
  const { instance } = await runContainer(t, busyboxSpec(['true']))
  const names = ['requested', 'created', 'entered', 'programStarted', 'exited', 'gone'] as const
  const marks = names.map((name) => instance.phases[name])
  t.true(marks.every((mark) => mark !== undefined))
  t.deepEqual(
    marks,
    [...marks].sort((a, b) => Number(a! - b!)),
  )
})

containerTest('a program that dies of a signal ends with 128 and its number', async (t) => {
  t.is((await runContainer(t, busyboxSpec(['sh', '-c', 'sh -c "kill -SEGV \\$\\$"; exit $?']))).exitCode, 139)
})

containerTest('a signal reaches the handler of a program', async (t) => {
  const script = 'trap "echo got; exit 5" USR1; echo ready; while :; do sleep 0.05; done'
  const { instance, stdout } = await startContainer(t, busyboxSpec(['sh', '-c', script]))
  await until(() => stdout() === 'ready\n')
  instance.signal(SIGUSR1)
  t.is((await instance.wait()).exitCode, 5)
  t.is(stdout(), 'ready\ngot\n')
})

containerTest(
  'a signal without a handler ends the program as in the foreground, also when it comes too early',
  async (t) => {
    const { instance } = await startContainer(t, busyboxSpec(['sleep', '1000']))
    instance.signal(SIGINT)
    t.deepEqual(await instance.wait(), { exitCode: 130 })

    const directory = temporaryDirectory(t)
    const early = createContainer(busyboxSpec(['sleep', '1000']), { directory, stdio: { stdout: 1, stderr: 2 } })
    const started = early.start()
    early.signal(SIGINT)
    await started
    t.deepEqual(await early.wait(), { exitCode: 130 })
    await early.close()
  },
)

containerTest('a fork bomb meets the limit of processes, and kill ends all of it with the result given', async (t) => {
  // The first process forks before there is a shortage, and then only waits.
  const bomb = 'f() { f & f & wait; }; sleep 1000 & f & wait'
  const { instance, directory, stderr } = await startContainer(t, busyboxSpec(['sh', '-c', bomb]))
  await until(() => /fork/.test(stderr()))
  const processes = instance.pids()
  t.true(processes.length > 3 && processes.length <= PIDS_LIMIT + 2)
  instance.kill({ exitCode: 124, report: 'time is up' })
  t.deepEqual(await instance.wait(), { exitCode: 124, report: 'time is up' })
  t.true(processes.every((pid) => hasEnded(pid)))
  await instance.close()
  t.deepEqual(readdirSync(directory), [])
})

containerTest('a program that hits its memory limit ends with 137 and a report', async (t) => {
  const hog = 'x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done'
  const result = await runContainer(t, busyboxSpec(['sh', '-c', hog], { memoryBytes: 16 * 2 ** 20 }))
  t.like(result, { exitCode: 137, outOfMemory: true })
  t.regex(result.report ?? '', /memory limit of 16 MiB/)
})

containerTest('limits are set where the kernel counts', async (t) => {
  const spec = busyboxSpec(['sleep', '1000'], { cpus: 0.5 })
  const { instance, directory } = await startContainer(t, spec)
  const cgroup = containerCgroup(spec.name, directory)
  const use = cgroup.memoryUse()
  t.true(use !== undefined && use > 0 && use < spec.memoryBytes)
  t.is(cgroup.processes().length, 2, 'init and the program')
  t.deepEqual(readStatus(cgroup.processes()[0]!)?.nsPids.at(-1), 1)
  t.true(instance.pids().includes(cgroup.processes()[0]!))
  await instance.close()
  t.deepEqual(cgroup.directories(), [])
  t.deepEqual(instance.pids(), [])
})

containerTest('writes do not reach the directory that is the root', async (t) => {
  const directory = rootfs(t)
  writeFileSync(join(directory, 'kept'), 'before\n')
  const before = readdirSync(directory)
  const script = 'echo after > /kept; echo new > /new; rm /bin/ls; cat /kept /new'
  const result = await runContainer(t, rootfsSpec(directory, ['sh', '-c', script]))
  t.is(result.stdout, 'after\nnew\n')
  t.deepEqual(readdirSync(directory), before)
  t.true(existsSync(join(directory, 'bin/ls')))
  t.is((await runContainer(t, rootfsSpec(directory, ['cat', '/kept']))).stdout, 'before\n')
})

containerTest('the root directory inside has the mode of the one given', async (t) => {
  const directory = rootfs(t)
  chmodSync(directory, 0o1710)
  t.is((await runContainer(t, rootfsSpec(directory, ['/bin/busybox', 'stat', '-c', '%a', '/']))).stdout, '1710\n')
})

containerTest('files written are memory of the container and meet a limit: they cannot fill a disk', async (t) => {
  const fill = 'dd if=/dev/zero of=/big bs=1M count=100 2>&1; stat -c %s /big; df -k / | tail -1'
  const { stdout, exitCode } = await runContainer(t, busyboxSpec(['sh', '-c', fill]))
  t.is(exitCode, 0)
  t.regex(stdout, /No space left on device/)
  t.true(Number(/^\d+$/m.exec(stdout)![0]) <= 32 * 2 ** 20)
})

containerTest('a root with a name full of special characters is used as it is', async (t) => {
  const directory = join(temporaryDirectory(t), 'a:b, "c"\\d\n=e')
  mkdirSync(join(directory, 'bin'), { recursive: true })
  copyFileSync(BUSYBOX, join(directory, 'bin/busybox'))
  t.is((await runContainer(t, rootfsSpec(directory, ['/bin/busybox', 'echo', 'in']))).stdout, 'in\n')
})

containerTest('a single program cannot be changed from inside', async (t) => {
  const result = await runContainer(t, busyboxSpec(['sh', '-c', `echo x >> ${BUSYBOX}`]))
  t.not(result.exitCode, 0)
  t.regex(result.stderr, /Read-only|busy/)
})

containerTest(
  'from inside there are its own processes, no host mount, no kernel log and no setting to write',
  async (t) => {
    const script =
      'ls -d /proc/[0-9]* | wc -l; cut -d" " -f1 /proc/mounts | grep -c lower; dmesg 2>&1 | grep -c .; ' +
      'echo x > /proc/sys/kernel/hostname; mount -t tmpfs x /tmp; unshare -m true; mknod /tmp/n b 8 0; id -u'
    const { stdout, stderr } = await runContainer(t, busyboxSpec(['sh', '-c', script]))
    const [processes, , log, uid] = stdout.trim().split('\n')
    t.true(Number(processes) <= 4, 'init, sh, ls, wc')
    t.is(log, '1', 'one line of refusal')
    t.is(uid, '0')
    for (const refusal of [
      /Read-only file system/,
      /mount: permission denied/,
      /unshare.*not permitted/,
      /mknod: .*not permitted/,
    ]) {
      t.regex(stderr, refusal)
    }
  },
)

containerTest(
  'what is not there ends with 127, what cannot be executed with 126, each with a line that names it',
  async (t) => {
    const directory = rootfs(t)
    writeFileSync(join(directory, 'bin/text'), 'no program\n', { mode: 0o755 })
    writeFileSync(join(directory, 'bin/plain'), '#!/bin/sh\n', { mode: 0o644 })
    writeFileSync(join(directory, 'bin/lost'), '#!/bin/nowhere\n', { mode: 0o755 })
    for (const [program, exitCode, words] of [
      ['nope', 127, /nope: there is no such file/],
      ['/bin/nope', 127, /\/bin\/nope: there is no such file/],
      ['lost', 127, /lost: its interpreter \/bin\/nowhere is not/],
      ['/bin', 126, /\/bin: it is a directory/],
      ['plain', 126, /plain: it is not executable/],
      ['text', 126, /text: it is not an ELF program/],
    ] as const) {
      const result = await runContainer(t, rootfsSpec(directory, [program]))
      t.is(result.exitCode, exitCode, program)
      t.regex(result.report ?? '', words)
      t.is(result.stderr, '')
    }
  },
)

containerTest('a request that cannot be met is refused before anything is made', async (t) => {
  for (const [changes, message] of [
    [{ memoryBytes: 2 ** 20 }, /1 MiB of memory: it needs 6 MiB/],
    [{ cwd: '/proc/self/fd/7' }, /Cannot start container/],
    [{ cwd: 'tmp' }, /Cannot start container/],
    [{ source: { kind: 'program', hostPath: BUSYBOX, path: '/proc/1/exe' } }, /Cannot place/],
  ] as const) {
    const directory = temporaryDirectory(t)
    const instance = createContainer(busyboxSpec(['true'], changes), { directory, stdio: { stdout: 1, stderr: 2 } })
    await t.throwsAsync(instance.start(), { message })
    t.is((await instance.wait()).exitCode, 125)
    await instance.close()
    t.deepEqual(readdirSync(directory), [])
  }
})

containerTest('close ends what runs, and closing again changes nothing', async (t) => {
  const { instance, directory } = await startContainer(t, busyboxSpec(['sleep', '1000']))
  const processes = instance.pids()
  await Promise.all([instance.close(), instance.close()])
  t.is((await instance.wait()).exitCode, 137)
  t.true(processes.length > 1 && processes.every((pid) => hasEnded(pid)))
  t.deepEqual(readdirSync(directory), [])
})

containerTest('the process that starts containers keeps no descriptor of them', async (t) => {
  const count = () => readdirSync('/proc/self/fd').length
  await runContainer(t, busyboxSpec(['true']))
  const before = count()
  const directory = temporaryDirectory(t)
  for (let round = 0; round < 3; round++) {
    const instance = createContainer(busyboxSpec(['true']), { directory, stdio: { stdout: 1, stderr: 2 } })
    await instance.start()
    t.is((await instance.wait()).exitCode, 0)
    await instance.close()
  }
  t.is(count(), before)
})

containerTest('sockets of the internet and of netlink can be made inside, packet sockets cannot', async (t) => {
  const script = 'ip link show lo | head -n 1 && ifconfig lo | head -n 1 && arping -c 1 -I lo 127.0.0.1'
  const { stdout, stderr } = await runContainer(t, busyboxSpec(['sh', '-c', script]))
  t.regex(stdout, /^1: lo: <LOOPBACK,UP,LOWER_UP>.*\nlo +Link encap:Local Loopback/)
  t.regex(stderr, /arping: socket.*Operation not permitted/)
})

containerTest('what the kernel shows to root alone is hidden from root inside', async (t) => {
  const script =
    'for f in kpagecount kpageflags slabinfo vmallocinfo pagetypeinfo; do test -e /proc/$f && wc -c < /proc/$f; done; true'
  const { stdout } = await runContainer(t, busyboxSpec(['sh', '-c', script]))
  t.deepEqual([...new Set(stdout.trim().split(/\s+/))], ['0'])
})

containerTest('shared memory ends where files do: at half of the memory', async (t) => {
  const spec = busyboxSpec(['sh', '-c', 'df -k /dev/shm | tail -n 1'], { memoryBytes: 64 * 2 ** 20 })
  t.regex((await runContainer(t, spec)).stdout, /^shm +32768 /)
})
