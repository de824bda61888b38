/**
 * Tests that boot a stock kernel of Debian, the one that the SVM lab runs on itself. They need a KVM that runs guest
 * kernel mode as it is: where it is emulated they skip, and say so; in the lab they run, or fail.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest, { type ExecutionContext } from 'ava'
import { kvmBackend } from '../../src/host/kvm-backend.ts'
import { planCpio } from '../../src/image/cpio.ts'
import { rootTree } from '../../src/image/root-tree.ts'
import { packageRoot } from '../../src/paths.ts'
import { temporaryDirectory } from './containers.ts'
import { kvmTestSerial } from './kvm.ts'

const UNAVAILABLE = 77
/** The SVM lab (docs/svm-lab.md). */
export const inLab = /^model name\s*: QEMU/m.test(readFileSync('/proc/cpuinfo', 'latin1'))
/** Options of `run` for a Linux there: with a tick all the time, by which the lab's lost wake-ups are found again. */
export const LAB_OPTIONS: readonly string[] = inLab ? ['--append', 'nohz=off'] : []
const GUEST = join(packageRoot, 'test/linux/guest')

export interface StockKernel {
  readonly vmlinuz: string
  /** Its modules for our devices, and the order to load them in. */
  readonly modules: string
}

/** @returns why there is none, in words */
export function findStockKernel(): StockKernel | string {
  if (kvmBackend()?.hardware === false) {
    return 'this KVM emulates kernel mode, and no unmodified kernel runs on it; make test-svm runs this test'
  }
  const { status, stdout, stderr } = spawnSync(join(packageRoot, 'scripts/lab/kernel.sh'), { encoding: 'utf8' })
  if (status === 0) return { vmlinuz: join(stdout.trim(), 'vmlinuz'), modules: join(stdout.trim(), 'guest') }
  if (status === UNAVAILABLE && !inLab) return stderr.trim()
  throw new Error(`scripts/lab/kernel.sh ended with ${status}: ${stderr}`)
}

/** `test.serial` of ava: each takes a processor for itself. */
export function stockKernelTest(
  title: string,
  implementation: (t: ExecutionContext, kernel: StockKernel) => Promise<void>,
): void {
  const found = findStockKernel()
  if (typeof found === 'string') anyTest.serial.skip(`${title} (skipped: ${found})`, () => {})
  else kvmTestSerial(title, (t) => implementation(t, found))
}

/** An initial RAM disk of busybox, the modules, and the init that checks every device. @returns its path */
export function buildInitramfs(t: ExecutionContext, { modules }: StockKernel): string {
  const directory = temporaryDirectory(t)
  const tree = join(directory, 'tree')
  mkdirSync(join(tree, 'bin'), { recursive: true })
  copyFileSync(execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim(), join(tree, 'bin/busybox'))
  cpSync(modules, tree, { recursive: true })
  for (const script of ['init', 'words.sh']) copyFileSync(join(GUEST, script), join(tree, script))
  chmodSync(join(tree, 'init'), 0o755)
  execFileSync('gcc', ['-static', '-Os', '-Wall', '-Werror', '-o', join(tree, 'bin/probe'), join(GUEST, 'probe.c')])
  return pack(tree, join(directory, 'initramfs.cpio'))
}

/**
 * The modules alone, where the agent of a microVM looks for them (docs/agent-protocol.md).
 * @param directory empty, of the caller's own
 * @returns path of the initial RAM disk
 */
export function buildModules(directory: string, { modules }: StockKernel): string {
  const tree = join(directory, 'tree')
  cpSync(modules, tree, { recursive: true })
  renameSync(join(tree, 'order'), join(tree, 'modules/order'))
  return pack(tree, join(directory, 'modules.cpio'))
}

function pack(tree: string, file: string): string {
  const { size, write } = planCpio(rootTree({ kind: 'rootfs', directory: tree }))
  const archive = new Uint8Array(size)
  write(archive)
  writeFileSync(file, archive)
  return file
}
