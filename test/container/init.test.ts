import { spawnSync } from 'node:child_process'
import { chmodSync, closeSync, copyFileSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { builtProgram } from '../../src/container/built.ts'
import { createContainer } from '../../src/container/container.ts'
import type { ExitResult, Stdio } from '../../src/instance/instance.ts'
import type { RunSpec } from '../../src/instance/run-spec.ts'
import { BUSYBOX, busyboxSpec } from '../helpers/busybox-spec.ts'
import { containerTest, runContainer, temporaryDirectory } from '../helpers/containers.ts'

const sh = (script: string, changes: Partial<RunSpec> = {}) => busyboxSpec(['sh', '-c', script], changes)

for (const [name, exitCode] of [
  ['KILL', 137],
  ['TERM', 143],
  ['SEGV', 139],
  ['ABRT', 134],
] as const) {
  containerTest(`a program that sends itself SIG${name} ends with ${exitCode}, as anywhere else`, async (t) => {
    t.is((await runContainer(t, sh(`kill -${name} $$; exit 0`))).exitCode, exitCode)
  })
}

async function runWith(t: ExecutionContext, spec: RunSpec, stdio: Stdio): Promise<ExitResult> {
  const directory = join(temporaryDirectory(t), 'instance')
  mkdirSync(directory)
  const instance = createContainer(spec, { directory, stdio })
  try {
    await instance.start()
    return await instance.wait()
  } finally {
    await instance.close()
  }
}

/** Standard output is a device or file of this name. */
async function runInto(t: ExecutionContext, path: string, spec: RunSpec): Promise<ExitResult> {
  const stdout = openSync(path, 'w')
  const stderr = openSync('/dev/null', 'w')
  try {
    return await runWith(t, spec, { stdout, stderr })
  } finally {
    closeSync(stdout)
    closeSync(stderr)
  }
}

containerTest('a write that fails is told to the program: /dev/full has no space', async (t) => {
  t.is((await runInto(t, '/dev/full', busyboxSpec(['echo', 'hi']))).exitCode, 1)
})

containerTest("the host's device files are not handed in: their mode stays what it was", async (t) => {
  const before = statSync('/dev/null').mode
  t.is((await runInto(t, '/dev/null', sh('chmod 600 /proc/self/fd/1'))).exitCode, 0)
  t.is(statSync('/dev/null').mode, before)
})

containerTest(
  'a file of the host is not handed in: it cannot be made set-user-ID or read through its descriptor',
  async (t) => {
    const file = join(temporaryDirectory(t), 'out')
    writeFileSync(file, '')
    chmodSync(file, 0o644)
    const result = await runInto(t, file, sh('chmod 4777 /proc/self/fd/1; echo done'))
    t.is(statSync(file).mode & 0o7777, 0o644)
    t.is(readFileSync(file, 'utf8'), 'done\n')
    t.is(result.exitCode, 0)
  },
)

containerTest('output that no file system takes any more is told, not lost', async (t) => {
  const disk = temporaryDirectory(t)
  spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk])
  try {
    const stdout = openSync(join(disk, 'out'), 'w')
    const result = await runWith(t, busyboxSpec(['head', '-c', '100000', '/dev/zero']), { stdout, stderr: 2 })
    closeSync(stdout)
    t.is(result.exitCode, 125)
    t.regex(result.report ?? '', /Cannot write the output.*ENOSPC/)
  } finally {
    spawnSync('umount', [disk])
  }
})

containerTest('much output into a file arrives whole and in order', async (t) => {
  const { stdout } = await runContainer(t, busyboxSpec(['seq', '1', '300000']))
  t.is(stdout, `${Array.from({ length: 300_000 }, (_, index) => index + 1).join('\n')}\n`)
})

containerTest('a directory as a standard stream is refused: it would be a way out', async (t) => {
  const fd = openSync('/', 'r')
  try {
    await t.throwsAsync(runWith(t, sh('true', { interactive: true }), { stdin: fd, stdout: 1, stderr: 2 }), {
      message: /standard input.*a directory/,
    })
  } finally {
    closeSync(fd)
  }
})

containerTest('a program whose reader is gone ends of SIGPIPE', async (t) => {
  const holder = join(import.meta.dirname, '../helpers/container-shell.js')
  const script = `{ ${process.execPath} ${holder} ${temporaryDirectory(t)} yes; echo $? >&2; } | head -1`
  const { stdout, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
  t.deepEqual({ stdout, stderr }, { stdout: 'y\n', stderr: '141\n' })
})

containerTest('pipes are handed in as they are, and nothing else is open in the program', async (t) => {
  const holder = join(import.meta.dirname, '../helpers/container-shell.js')
  const script = `${process.execPath} ${holder} ${temporaryDirectory(t)} ls -l /proc/self/fd 2>&1 | cat`
  const { stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
  const open = [...stdout.matchAll(/(\d+) -> (\S+)/g)].map(([, fd, target]) => `${fd} ${target!.replace(/\d+/, 'N')}`)
  t.deepEqual(open, ['0 /dev/null', '1 pipe:[N]', '2 pipe:[N]'])
})

containerTest('the program leads a session of its own with no signal blocked or ignored', async (t) => {
  const [pid, , , , pgrp, session] = (await runContainer(t, busyboxSpec(['cat', '/proc/self/stat']))).stdout.split(' ')
  t.deepEqual([pgrp, session], [pid, pid])
  const { stdout } = await runContainer(t, busyboxSpec(['grep', '-E', 'Sig(Blk|Ign)', '/proc/self/status']))
  t.is(stdout, 'SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n')
})

containerTest(
  'process 1 shows the program neither its memory, its file nor its descriptors, and cannot be changed',
  async (t) => {
    const script =
      'readlink /proc/1/exe; readlink /proc/1/root; readlink /proc/1/fd/0; head -c 1 /proc/1/mem; cat /proc/1/maps; ' +
      'echo x > /dev/.cloister-init; chmod 777 /dev/.cloister-init; rm -f /dev/.cloister-init; ' +
      'kill -9 1; kill -TERM 1; sleep 0.05; echo alive'
    const before = readFileSync(builtProgram('init'))
    const { stdout, stderr, exitCode } = await runContainer(t, sh(script))
    t.is(stdout, 'alive\n')
    t.regex(stderr, /Read-only file system\n.*Read-only file system/)
    t.is(exitCode, 0)
    t.deepEqual(readFileSync(builtProgram('init')), before)
  },
)

containerTest('it has the privileges of the program and no more', async (t) => {
  const script = 'for p in 1 self; do grep -E "^(Cap|Seccomp:|NoNewPrivs)" /proc/$p/status | grep -v CapAmb; done'
  const lines = (await runContainer(t, sh(script))).stdout.trimEnd().split('\n')
  t.is(lines.length % 2, 0)
  t.deepEqual(lines.slice(0, lines.length / 2), lines.slice(lines.length / 2))
})

containerTest('what is orphaned is collected, and ends with the program', async (t) => {
  const script = '(sleep 0.01 &) ; (sleep 1000 &) ; sleep 0.2; grep -l "State:.Z" /proc/[0-9]*/status; exit 4'
  const { exitCode, stdout } = await runContainer(t, sh(script))
  t.is(stdout, '')
  t.is(exitCode, 4)
})

containerTest('a program that only the kernel refuses ends with its reason', async (t) => {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  mkdirSync(join(directory, 'bin'))
  copyFileSync(BUSYBOX, join(directory, 'bin/reader'))
  chmodSync(join(directory, 'bin/reader'), 0o644)
  writeFileSync(join(directory, 'bin/script'), '#!/bin/reader\n', { mode: 0o755 })
  const spec = busyboxSpec([], { source: { kind: 'rootfs', directory }, program: 'script', argv: ['script'] })
  const { exitCode, report, stderr } = await runContainer(t, spec)
  t.deepEqual(
    { exitCode, report, stderr },
    { exitCode: 126, report: 'Cannot run script: it may not be executed.', stderr: '' },
  )
})

containerTest('argv[0] is as typed whatever the file is called', async (t) => {
  const spec = busyboxSpec([], { cwd: '/tmp', argv: ['../some/where/busybox', 'cat', '/proc/self/cmdline'] })
  t.is((await runContainer(t, spec)).stdout, '../some/where/busybox\0cat\0/proc/self/cmdline\0')
})
