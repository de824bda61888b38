/** What `cloister run --isolation unikernel` says about file trees and about guests that end by themselves. */
import { execFileSync } from 'node:child_process'
import { copyFileSync, linkSync, mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { commandLine } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { guestPath } from '../helpers/guests.ts'
import { kvmTest } from '../helpers/kvm.ts'

const run = (t: ExecutionContext, ...args: string[]) =>
  commandLine(t)(['run', '--rm', '--isolation', 'unikernel', '--timeout', '25s', ...args])

function rootfs(t: ExecutionContext): string {
  const root = temporaryDirectory(t)
  mkdirSync(join(root, 'bin'))
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'))
  return root
}

kvmTest('a file name that is no UTF-8 is the same inside, and the rest of the tree is there', async (t) => {
  const root = rootfs(t)
  mkdirSync(join(root, 'data'))
  writeFileSync(Buffer.concat([Buffer.from(`${root}/data/`), Buffer.from([0xff, 0xfe])]), 'content\n')
  const script = 'cd /data; for f in *; do read -r line < "$f"; echo "$line"; done'
  const { stderr, stdout } = await run(t, '--rootfs', root, '/bin/busybox', 'sh', '-c', script)
  t.is(stdout, 'content\n', stderr)
  const { stdout: named } = await run(t, '--rootfs', root, '/bin/busybox', 'find', '/data', '-type', 'f', '-print0')
  t.regex(named, /^\/data\/\ufffd\ufffd\0$/)
})

kvmTest('hard links, FIFOs and device nodes are what they are outside', async (t) => {
  const root = rootfs(t)
  writeFileSync(join(root, 'one'), 'text')
  linkSync(join(root, 'one'), join(root, 'two'))
  execFileSync('mkfifo', [join(root, 'fifo')])
  const names = ['/one', '/two', '/fifo']
  const { stdout, stderr } = await run(t, '--rootfs', root, '/bin/busybox', 'stat', '-c', '%n %h %s %F', ...names)
  t.is(stdout, '/one 2 4 regular file\n/two 2 4 regular file\n/fifo 1 0 fifo\n', stderr)
})

kvmTest('a single program finds who it is, and a home', async (t) => {
  t.like(await run(t, BUSYBOX, 'id', '-un'), { status: 0, stdout: 'root\n' })
  t.like(await run(t, BUSYBOX, 'sh', '-c', 'cd && pwd && cd /sys && pwd'), { status: 0, stdout: '/root\n/sys\n' })
})

kvmTest('a tree that does not fit names its largest file and the memory that would do', async (t) => {
  const root = rootfs(t)
  writeFileSync(join(root, 'big'), '')
  truncateSync(join(root, 'big'), 300 * 2 ** 20)
  const { status, stderr } = await run(t, '--rootfs', root, '/bin/busybox', 'true')
  t.is(status, 125)
  t.regex(stderr, /302 MiB and does not fit into 128 MiB.*\n.*--memory 384M, or leave out \/big, 300 MiB of it\.\n$/)
  t.like(await run(t, '--memory', '384M', '--rootfs', root, '/bin/busybox', 'true'), { status: 0, stderr: '' })
})

kvmTest('a panic of the guest kernel is reported once, with registers', async (t) => {
  const { status, stderr } = await run(t, '--kernel', guestPath('bare/panic-port'), BUSYBOX)
  t.is(status, 125)
  t.regex(stderr, /^cloister: The guest died: its kernel gave up \(panic port\), at rip 0x[0-9a-f]+/)
  t.regex(stderr, /\n {2}rax [0-9a-f]{16} .*\n/)
  t.regex(stderr, /--trace exits/)
})

kvmTest('what the kernel said on its panic is said once', async (t) => {
  const { status, stdout, stderr } = await run(t, '--kernel', guestPath('panic'), BUSYBOX)
  t.is(status, 125)
  t.is(`${stdout}${stderr}`.match(/panic: page fault/g)?.length, 1)
  t.regex(stderr, /^cloister: The guest died: its kernel gave up/)
})

kvmTest('a reset is a clean end for a kernel of the user’s own', async (t) => {
  t.like(await run(t, '--kernel', guestPath('bare/reset-i8042'), BUSYBOX), { status: 0, stderr: '' })
})

kvmTest('a failed program hears which system calls there are not; a successful one hears nothing', async (t) => {
  const script = '(exit 3) | true'
  const failed = await run(t, BUSYBOX, 'sh', '-c', script)
  t.not(failed.status, 0)
  t.is(
    failed.stderr.match(
      /^cloister: unikernel: clone \(system call 56\) is not supported: a unikernel runs one process/gm,
    )?.length,
    1,
  )
  const fine = await run(t, BUSYBOX, 'sh', '-c', `trap 'exit 0' EXIT; ${script}`)
  t.is(fine.status, 0, fine.stderr)
  t.notRegex(fine.stderr, /cloister/)
})
