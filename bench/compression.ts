/**
 * A job that reads and computes: busybox gzip of a file of numbers, on the host itself, in a container and in a microVM,
 * where the file comes from the root image. From the program's first instruction to its end: starting is not in it.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild } from '../src/compare/child.ts'
import type { Compared } from '../src/compare/compared.ts'
import { runOnce } from '../src/compare/run-once.ts'
import { isRefusal } from '../src/compare/time.ts'
import { BUSYBOX } from '../test/helpers/busybox-spec.ts'
import { printReport, rounds, takeTurns } from './report.ts'

const MIB = 8
const HOST = 'on the host itself'

const directory = mkdtempSync(join(tmpdir(), 'cloister-bench-'))
delete process.env.NODE_EXTRA_CA_CERTS
process.env.CLOISTER_ROOT = join(directory, 'state')

const root = join(directory, 'root')
for (const name of ['bin', 'dev', 'proc', 'sys', 'tmp']) mkdirSync(join(root, name), { recursive: true })
copyFileSync(BUSYBOX, join(root, 'bin/busybox'))
const numbers: string[] = []
for (let bytes = 0, number = 1; bytes < MIB * 2 ** 20; number++) {
  const line = `${number}\n`
  numbers.push(line)
  bytes += line.length
}
writeFileSync(join(root, 'numbers'), numbers.join(''))

/** One process in the end: a fork is dear where kernel mode is emulated. */
const job = (at: string) => ['sh', '-c', `exec ${at}/bin/busybox gzip -c ${at}/numbers >/dev/null`]

async function onHost(): Promise<number> {
  const began = process.hrtime.bigint()
  const status = await startChild(BUSYBOX, job(root), { stdin: 'ignore' }).ended
  if (status !== 0) throw new Error(`gzip ended with ${status}`)
  return Number(process.hrtime.bigint() - began) / 1e6
}

const inside = (level: Compared) => async (): Promise<number> => {
  const run = await runOnce(level, ['--memory', '256M', '--rootfs', root, '/bin/busybox', ...job('')])
  if (isRefusal(run)) throw new Error(run.refused)
  if (run.exitCode !== 0) throw new Error(`it ended with ${run.exitCode}: ${run.errors}`)
  return run.spansMs.programToExit!
}

try {
  const players = [
    { name: HOST, measure: onHost },
    { name: 'in a container', measure: inside('container') },
    { name: 'in a microVM', measure: inside('microvm') },
  ]
  const candidates = await takeTurns(players, { runs: rounds(5), warmups: 1 })
  printReport({ title: `gzip of ${MIB} MiB of numbers`, unit: 'ms', peer: HOST, candidates })
} finally {
  rmSync(directory, { recursive: true, force: true })
}
