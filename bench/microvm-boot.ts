/**
 * A cold boot of the microVM's Linux up to its init, the agent: the same kernel, first root and root image in a machine
 * of ours and under QEMU microvm, both with a root disk and an entropy device. From the start of the process, Node's
 * included, to the agent's word on the console.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onLines, startChild } from '../src/compare/child.ts'
import { AGENT_ALONE, type CommandLine, linuxBoot, underOurs, underQemu } from '../test/helpers/linux-boot.ts'
import { printReport, rounds, takeTurns } from './report.ts'

const directory = mkdtempSync(join(tmpdir(), 'cloister-bench-'))
const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env

async function toInit({ file, args }: CommandLine): Promise<number> {
  const began = process.hrtime.bigint()
  // Nothing else would end with us.
  const child = startChild('setpriv', ['--pdeathsig', 'KILL', file, ...args], { stdin: 'ignore', env })
  const ms = await new Promise<number>((resolve, reject) => {
    onLines(child, (line) => {
      if (line.includes(AGENT_ALONE)) resolve(Number(process.hrtime.bigint() - began) / 1e6)
    })
    child.ended.then((status) => reject(new Error(`${file} ended with ${status}: ${child.errors()}`)), reject)
  })
  child.process.kill('SIGKILL')
  await child.ended
  return ms
}

try {
  const boot = await linuxBoot(directory)
  const candidates = await takeTurns(
    [
      { name: 'QEMU microvm', measure: () => toInit(underQemu(boot)) },
      { name: 'Cloister', measure: () => toInit(underOurs(boot)) },
    ],
    { runs: rounds(5), warmups: 1 },
  )
  printReport({ title: 'Cold boot of the same Linux, to init', unit: 'ms', peer: 'QEMU microvm', candidates })
} finally {
  rmSync(directory, { recursive: true, force: true })
}
