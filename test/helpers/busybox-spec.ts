/** What `run` would make of the host's static busybox and its arguments. */
import type { RunSpec } from '../../src/instance/run-spec.ts'

export const BUSYBOX = '/bin/busybox'

export const busyboxSpec = (argv: readonly string[], changes: Partial<RunSpec> = {}): RunSpec => ({
  name: `test-${process.pid}`,
  isolation: 'container',
  source: { kind: 'program', hostPath: BUSYBOX, path: BUSYBOX },
  program: BUSYBOX,
  argv: [BUSYBOX, ...argv],
  env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root'],
  cwd: '/',
  memoryBytes: 64 * 2 ** 20,
  cpus: 1,
  interactive: false,
  ...changes,
})
