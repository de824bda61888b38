/**
 * From the request, inside a running process, to the program's first instruction in the guest, by phase. What a
 * resident manager will pay; the start of `node` is not in it.
 */
import { closeSync, openSync } from 'node:fs'
import type { Phases } from '../src/instance/instance.ts'
import type { RunSpec } from '../src/instance/run-spec.ts'
import { MIB } from '../src/memory/memory-map.ts'
import { createUnikernel } from '../src/unikernel/unikernel.ts'
import { printReport, rounds } from './report.ts'

const spec: RunSpec = {
  name: 'bench',
  isolation: 'unikernel',
  source: { kind: 'program', hostPath: '/bin/busybox', path: '/bin/busybox' },
  program: '/bin/busybox',
  argv: ['/bin/busybox', 'true'],
  env: ['PATH=/bin'],
  cwd: '/',
  memoryBytes: 128 * MIB,
  cpus: 1,
  interactive: false,
}

const spans: Record<string, [keyof Phases, keyof Phases]> = {
  'request to VM created': ['requested', 'created'],
  'first KVM_RUN to kernel ready': ['entered', 'kernelReady'],
  'kernel ready to program started': ['kernelReady', 'programStarted'],
  'request to program started': ['requested', 'programStarted'],
  'program started to exit seen': ['programStarted', 'exited'],
  'exit to everything gone': ['exited', 'gone'],
}

const values = new Map(Object.keys(spans).map((name) => [name, [] as number[]]))
const quiet = openSync('/dev/null', 'w')
for (let round = -3; round < rounds(30); round++) {
  const instance = createUnikernel(spec, { stdio: { stdout: quiet, stderr: quiet } })
  await instance.start()
  const { exitCode } = await instance.wait()
  await instance.close()
  if (exitCode !== 0) throw new Error(`the program ended with ${exitCode}`)
  if (round < 0) continue // the first ones compile and warm up
  for (const [name, [from, to]] of Object.entries(spans)) {
    values.get(name)!.push(Number(instance.phases[to]! - instance.phases[from]!) / 1e6)
  }
}
closeSync(quiet)

printReport({
  title: 'From request to first instruction, within one process',
  unit: 'ms',
  peer: 'request to program started',
  candidates: [...values].map(([name, list]) => ({ name, values: list })),
})
