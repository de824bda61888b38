/**
 * The Linux that microVMs boot here (guest-kernel/linux) starts a program, which finds what our agent and programs need.
 * Where KVM works this test fails when that Linux is not built: `make linux`.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { planCpio } from '../../src/image/cpio.ts'
import { rootTree } from '../../src/image/root-tree.ts'
import { guestLinux } from '../../src/microvm/guest-linux.ts'
import { kernelArguments } from '../../src/microvm/kernel-arguments.ts'
import { packageRoot } from '../../src/paths.ts'
import { commandLine } from '../helpers/cli.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'

/** A boot takes ten seconds where kernel mode is emulated, and longer with neighbours. */
const HANG_MS = 180_000

const FOUND = [
  'proc, sysfs and devtmpfs',
  'file systems',
  'programs',
  'overlay on tmpfs',
  'the freezer',
  'pseudo-terminals',
  'vector registers',
  'signals of faults',
  'time',
  'sysctl',
  'sockets',
  'descriptors of events',
  'shared memory and asynchronous I/O',
]

function buildInitrd(t: ExecutionContext): string {
  const directory = temporaryDirectory(t)
  const tree = join(directory, 'tree')
  mkdirSync(join(tree, 'dev'), { recursive: true })
  const source = join(packageRoot, 'test/linux/guest/own-init.c')
  execFileSync('gcc', ['-static', '-s', '-O2', '-Wall', '-Werror', '-o', join(tree, 'init'), source])
  const { size, write } = planCpio(rootTree({ kind: 'rootfs', directory: tree }))
  const archive = new Uint8Array(size)
  write(archive)
  const file = join(directory, 'initrd.cpio')
  writeFileSync(file, archive)
  return file
}

kvmTestSerial('the Linux of microVMs boots here, and has what our agent and programs need', async (t) => {
  const { flavour, path } = guestLinux()
  const cli = commandLine(t)
  const { status, stdout, stderr } = await cli(
    [
      ...['run', '--isolation', 'unikernel', '--kernel', path, '--initrd', buildInitrd(t), '--memory', '128M'],
      ...['--append', kernelArguments({ flavour })],
    ],
    { hangMs: HANG_MS },
  )
  const lines = stdout.split(/\r?\n/)
  t.is(status, 0, stderr)
  t.deepEqual(
    lines.filter((line) => /^(PASS|FAIL) /.test(line)),
    FOUND.map((name) => `PASS ${name}`),
    stdout,
  )
  t.true(lines.includes('END'))
  const release = readFileSync(join(dirname(path), 'release'), 'utf8').trim()
  t.true(lines.includes(`RELEASE ${release}`), stdout)
})
