import test from 'ava'
import type { RunSpec } from '../../src/instance/run-spec.ts'
import { createMicrovm } from '../../src/microvm/microvm.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const SPEC: RunSpec = {
  name: 'web',
  isolation: 'microvm',
  source: { kind: 'program', hostPath: '/bin/true', path: '/bin/true' },
  program: '/bin/true',
  argv: ['true'],
  env: [],
  cwd: '/',
  memoryBytes: 128 * 2 ** 20,
  cpus: 1,
  interactive: false,
}
const [SIGINT, SIGTERM, SIGCHLD, SIGTSTP, SIGWINCH] = [2, 15, 17, 20, 28] as const
const created = (spec: Partial<RunSpec> = {}) =>
  createMicrovm({ ...SPEC, ...spec }, { stdio: { stdout: 1, stderr: 2 } })

for (const signo of [SIGINT, SIGTERM]) {
  test(`a guest that still boots is ended at once by signal ${signo}, which no program could have handled`, async (t) => {
    const instance = created()
    instance.signal(signo)
    t.deepEqual(await instance.wait(), { exitCode: 128 + signo })
    await instance.close()
  })
}

test('a signal that ends nothing by default waits for the program, and so does any for one that was saved', async (t) => {
  for (const [spec, signals] of [
    [{}, [SIGCHLD, SIGTSTP, SIGWINCH]],
    [{ from: temporaryDirectory(t) }, [SIGTERM]],
  ] as const) {
    const instance = created(spec)
    for (const signo of signals) instance.signal(signo)
    instance.kill({ exitCode: 1 })
    t.deepEqual(await instance.wait(), { exitCode: 1 })
    await instance.close()
  }
})
