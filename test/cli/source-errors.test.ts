import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { BUSYBOX } from '../helpers/busybox-spec.ts'
import { commandLine } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { kvmTest } from '../helpers/kvm.ts'
import { buildProgram } from '../helpers/program-builder.ts'

const LEVELS = ['container', 'unikernel']
const INTERPRETER = '/lib64/ld-linux-x86-64.so.2'

function executable(directory: string, name: string, content: string | Uint8Array): string {
  const path = join(directory, name)
  writeFileSync(path, content)
  chmodSync(path, 0o755)
  return path
}

/** A file that cannot be run, told in one line, with its status, at every level, before anything starts. */
async function refused(t: ExecutionContext, args: readonly string[], status: number, message: RegExp, levels = LEVELS) {
  const cloister = commandLine(t)
  for (const level of levels) {
    const result = await cloister(['run', '--isolation', level, ...args])
    t.is(result.status, status, result.stderr)
    t.is(result.stdout, '')
    t.regex(result.stderr, message)
    t.true(result.stderr.trimEnd().split('\n').length <= 2, result.stderr)
  }
  t.is((await cloister(['ps', '-a', '--json'])).stdout, '[]\n')
}

test('a missing file: 127', (t) => refused(t, ['./nowhere'], 127, /Cannot run \.\/nowhere: there is no such file\./))

test('a directory: 126', (t) => refused(t, ['/etc'], 126, /Cannot run \/etc: it is a directory\.\n.*--rootfs \/etc/))

test('a device: 126', (t) => refused(t, ['/dev/null'], 126, /it is not a regular file/))

test('a file without an execute bit: 126', async (t) => {
  const path = join(temporaryDirectory(t), 'plain')
  writeFileSync(path, buildProgram())
  await refused(t, [path], 126, /it is not executable\.\n.*chmod \+x/)
})

test('a file that is no program is not told to become executable', async (t) => {
  const path = join(temporaryDirectory(t), 'Makefile')
  writeFileSync(path, 'all:\n')
  await refused(t, [path], 126, /it is not an ELF program\.\n$/)
})

test('a path that goes in circles, through a file, or is too long: 126, and no fault of ours', async (t) => {
  const directory = temporaryDirectory(t)
  symlinkSync('loop', join(directory, 'loop'))
  writeFileSync(join(directory, 'file'), '')
  await refused(t, [join(directory, 'loop')], 126, /its symbolic links go in circles\./)
  await refused(t, [join(directory, 'file/x')], 126, /a part of the path is a file\./)
  await refused(t, [join(directory, 'x'.repeat(300))], 126, /the path is too long\./)
})

test('a working directory that is not beside a single program: 125, and which ones are', async (t) => {
  const beside =
    /Cannot use \/nowhere as the working directory: there is no such .*\n {2}There are \/, \/tmp and \/bin;/
  await refused(t, ['-w', '/nowhere', BUSYBOX, 'pwd'], 125, beside)
  await refused(
    t,
    ['-w', BUSYBOX, BUSYBOX, 'pwd'],
    125,
    /it is the program itself, a file\.\n {2}Try --workdir \/bin\./,
  )
  await refused(t, ['-w', '/proc/self', BUSYBOX, 'pwd'], 125, /nothing runs in \/proc or \/sys/)
})

test('a working directory that a root directory does not have: 125, and how to make it', async (t) => {
  const root = rootfs(t)
  symlinkSync('loop', join(root, 'loop'))
  symlinkSync('/proc/self', join(root, 'out'))
  const refusedIn = (cwd: string, message: RegExp) =>
    refused(t, ['--rootfs', root, '-w', cwd, '/bin/busybox', 'pwd'], 125, message)
  await refusedIn('/nowhere', /there is no such directory in .*\n {2}Make it: mkdir -p .*\/nowhere$/m)
  await refusedIn('/bin/busybox', /it is a file\./)
  await refusedIn('/loop', /its symbolic links go in circles/)
  await refusedIn('/out', /it leads to \/proc\/self/)
})

test('a file without an execute bit in a root directory: the path to mend is the one on the host', async (t) => {
  const root = rootfs(t)
  writeFileSync(join(root, 'bin/old'), buildProgram())
  await refused(t, ['--rootfs', root, '/bin/old'], 126, new RegExp(`chmod \\+x ${join(root, 'bin/old')}\n$`))
})

kvmTest('a kernel that is not there: 125, and what --kernel takes', (t) =>
  refused(t, ['--kernel', '/nowhere', BUSYBOX], 125, /Cannot boot \/nowhere: there is no such .*\n {2}--kernel takes/, [
    'unikernel',
  ]),
)

test('a script: 126, with its interpreter named', async (t) => {
  const path = executable(temporaryDirectory(t), 'script', '#! /bin/sh\necho hi\n')
  await refused(t, [path], 126, /it is a script \(#! \/bin\/sh\)\.\n.*--rootfs/)
})

test('text, an empty file, half an ELF file: 126', async (t) => {
  const directory = temporaryDirectory(t)
  await refused(t, [executable(directory, 'text', 'hello\n')], 126, /it is not an ELF program\./)
  await refused(t, [executable(directory, 'empty', '')], 126, /it is empty\./)
  await refused(t, [executable(directory, 'half', buildProgram().slice(0, 100))], 126, /it is an ELF file cut short\./)
})

test('a program for another machine: 126', async (t) => {
  const path = executable(temporaryDirectory(t), 'arm', buildProgram({ machine: 183 }))
  await refused(t, [path], 126, /it is a program for AArch64/)
})

test('a dynamically linked program by itself: 126, and what to do', async (t) => {
  const path = executable(temporaryDirectory(t), 'dynamic', buildProgram({ type: 3, interpreter: INTERPRETER }))
  await refused(t, [path], 126, /dynamically linked, and \/lib64\/ld-linux-x86-64\.so\.2 .*\n.*-static.*--rootfs DIR/)
})

test('an image reference: not yet, and how a path is told from one', (t) =>
  refused(t, ['busybox'], 125, /images are not supported yet\.\n.*\.\/busybox/))

function rootfs(t: ExecutionContext): string {
  const root = mkdtempSync(join(temporaryDirectory(t), 'rootfs-'))
  mkdirSync(join(root, 'bin'))
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'))
  return root
}

test('a root directory that is not there, or is a file', async (t) => {
  await refused(
    t,
    ['--rootfs', '/nowhere', '/bin/sh'],
    125,
    /Cannot use \/nowhere as the root directory: there is no such .*\.\n {2}--rootfs takes/,
  )
  await refused(t, ['--rootfs', BUSYBOX, '/bin/sh'], 125, /it is a file\.\n.*leave --rootfs away/)
})

test('a command that the root directory does not have: 127', async (t) => {
  const root = rootfs(t)
  await refused(t, ['--rootfs', root, '/bin/nowhere'], 127, /there is no such file in/)
  await refused(t, ['--rootfs', root, 'nowhere'], 127, /there is no such file in \/usr.*of/)
})

test('links are followed inside the root, not out of it: a link to a file of the host only is 127', async (t) => {
  const root = rootfs(t)
  symlinkSync('/etc/hostname', join(root, 'bin/out'))
  symlinkSync('../../../../../../etc/hostname', join(root, 'bin/up'))
  symlinkSync('loop', join(root, 'bin/loop'))
  for (const name of ['out', 'up']) await refused(t, ['--rootfs', root, `/bin/${name}`], 127, /no such file/)
  await refused(t, ['--rootfs', root, '/bin/loop'], 126, /its symbolic links go in circles, inside/)
  await refused(t, ['--rootfs', root, '/bin/busybox/x'], 126, /a part of the path is a file/)
})

test('a unikernel refuses scripts and dynamic programs of a root directory, and says what would run them', async (t) => {
  const root = rootfs(t)
  executable(root, 'bin/script', '#!/bin/busybox sh\n')
  executable(root, 'bin/dynamic', buildProgram({ type: 3, interpreter: INTERPRETER }))
  await refused(t, ['--rootfs', root, '/bin/script'], 126, /it is a script.*\n.*\/bin\/busybox sh/, ['unikernel'])
  await refused(t, ['--rootfs', root, '/bin/dynamic'], 126, /static programs only.*\n.*--isolation container/, [
    'unikernel',
  ])
})
