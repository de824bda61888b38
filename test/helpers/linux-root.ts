/** A root directory for a Linux guest: busybox under all its names, the checks of test/linux/guest, programs of this host. */
import { execFileSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { packageRoot } from '../../src/paths.ts'
import { BUSYBOX } from './busybox-spec.ts'
import { temporaryDirectory } from './containers.ts'

const GUEST = join(packageRoot, 'test/linux/guest')

/** All that a program of this host needs at run time, at the same paths. */
function copyProgram(program: string, tree: string): void {
  const put = (path: string) => {
    mkdirSync(join(tree, dirname(path)), { recursive: true })
    copyFileSync(path, join(tree, path))
  }
  put(program)
  const needed = execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/(?:=> )?(\/\S+) \(0x/g)
  for (const [, path] of needed) put(path!)
}

/** @param loads programs of this host to put in, with their libraries @returns the directory */
export function linuxRoot(t: ExecutionContext, loads: readonly string[] = []): string {
  const tree = join(temporaryDirectory(t), 'root')
  for (const directory of ['bin', 'tmp', 'dev', 'proc', 'sys', 'etc'])
    mkdirSync(join(tree, directory), { recursive: true })
  copyFileSync(BUSYBOX, join(tree, 'bin/busybox'))
  for (const applet of execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).trim().split('\n')) {
    if (applet !== 'busybox') symlinkSync('busybox', join(tree, 'bin', applet))
  }
  for (const script of ['exercise', 'words.sh']) copyFileSync(join(GUEST, script), join(tree, script))
  chmodSync(join(tree, 'exercise'), 0o755)
  // With the C library that keeps to what every processor has: docs/kernels.md.
  const headers = ['/usr/include', '/usr/include/x86_64-linux-gnu'].flatMap((directory) => ['-idirafter', directory])
  for (const [program, source] of [
    ['block-check', 'block-check.c'],
    ['probe', 'probe.c'],
  ] as const) {
    const output = join(tree, 'bin', program)
    execFileSync('musl-gcc', ['-static', '-O2', '-Wall', '-Werror', ...headers, '-o', output, join(GUEST, source)])
  }
  for (const load of loads) {
    copyProgram(load, tree)
    if (dirname(load) !== '/bin') symlinkSync(load, join(tree, 'bin', basename(load)))
  }
  return tree
}
