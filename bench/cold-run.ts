/**
 * Cold start, whole processes from spawn to exit: `cloister run` of a one-line program as unikernel and container,
 * beside QEMU with the very same guest kernel and root tree, and plain runc. The start of `node` stands apart: it is
 * the part of ours that no VMM code can shorten.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { planCpio } from '../src/image/cpio.ts'
import { rootTree } from '../src/image/root-tree.ts'
import { packageRoot, unikernelPath } from '../src/paths.ts'
import { printReport, rounds } from './report.ts'

const program = '/bin/busybox'
const cloister = join(packageRoot, 'bin/cloister')
const directory = mkdtempSync(join(tmpdir(), 'cloister-bench-'))

interface Contender {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
}

const contenders: Contender[] = [
  { name: 'qemu microvm, same kernel', command: 'qemu-system-x86_64', args: qemuArgs() },
  {
    name: 'cloister unikernel',
    command: cloister,
    args: ['run', '--rm', '--isolation', 'unikernel', program, 'echo', 'hello'],
  },
  {
    name: 'cloister container',
    command: cloister,
    args: ['run', '--rm', '--isolation', 'container', program, 'echo', 'hello'],
  },
  { name: 'runc run', command: 'runc', args: ['run', '--bundle', bundle(), `cloister-bench-${process.pid}`] },
  { name: 'node -e 0', command: process.execPath, args: ['-e', '0'] },
]

try {
  const present = contenders.filter(({ command }) => spawnSync('sh', ['-c', `command -v "${command}"`]).status === 0)
  const values = new Map(present.map(({ name }) => [name, [] as number[]]))
  for (let round = -1; round < rounds(15); round++) {
    for (const contender of present) {
      const ms = time(contender)
      if (round >= 0) values.get(contender.name)!.push(ms) // the first round warms the page cache
    }
  }
  printReport({
    title: `Cold start of \`${program} echo hello\`, spawn to exit`,
    unit: 'ms',
    peer: present[0]!.name,
    candidates: present.map(({ name }) => ({ name, values: values.get(name)! })),
  })
} finally {
  rmSync(directory, { recursive: true, force: true })
}

function time({ name, command, args }: Contender): number {
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env
  const start = process.hrtime.bigint()
  const { stdout, stderr } = spawnSync(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ms = Number(process.hrtime.bigint() - start) / 1e6
  if (name !== 'node -e 0' && !stdout.includes('hello')) throw new Error(`${name} did not run the program: ${stderr}`)
  return ms
}

/** The line for a guest of ours under QEMU; docs/performance.md explains each part. */
function qemuArgs(): string[] {
  const archive = planCpio(rootTree({ kind: 'program', hostPath: program, path: program }))
  const bytes = new Uint8Array(archive.size)
  archive.write(bytes)
  const initrd = join(directory, 'root.cpio')
  writeFileSync(initrd, bytes)
  return [
    '-M microvm,acpi=off,auto-kernel-cmdline=on,isa-serial=on -global virtio-mmio.force-legacy=false -accel kvm -cpu host,-arch-capabilities -m 128 -nodefaults -no-user-config -nographic -serial stdio -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=1'.split(
      ' ',
    ),
    ['-kernel', unikernelPath, '-initrd', initrd, '-append', `-- ${program} echo hello`],
  ].flat()
}

/** What `runc spec` writes, around a root with the same program. */
function bundle(): string {
  const root = join(directory, 'bundle/rootfs/bin')
  mkdirSync(root, { recursive: true })
  spawnSync('cp', [program, root])
  if (existsSync('/usr/bin/runc') || existsSync('/usr/sbin/runc'))
    spawnSync('runc', ['spec', '--bundle', join(directory, 'bundle')])
  const config = join(directory, 'bundle/config.json')
  spawnSync('sed', ['-i', 's/"terminal": true/"terminal": false/; s/"sh"/"\\/bin\\/busybox", "echo", "hello"/', config])
  return join(directory, 'bundle')
}
