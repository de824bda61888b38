import test from 'ava'
import type { RunSpec } from '../../src/instance/run-spec.ts'
import { execProcess } from '../../src/microvm/agent-process.ts'
import { vectorEnvironment } from '../../src/microvm/vector-registers.ts'

const spec = {
  name: 'a',
  isolation: 'microvm',
  source: { kind: 'rootfs', directory: '/' },
  program: '/bin/sh',
  argv: ['sh'],
  env: ['A=1', 'B=2'],
  cwd: '/',
  memoryBytes: 2 ** 27,
  cpus: 1,
  interactive: false,
} satisfies RunSpec

test('our Linux for a software KVM asks glibc to leave AVX alone, and only that one', (t) => {
  t.regex(vectorEnvironment({}, 'software-kvm')[0]!, /^GLIBC_TUNABLES=glibc\.cpu\.hwcaps=.*-AVX2/)
  t.deepEqual(vectorEnvironment({}, 'standard'), [])
  t.deepEqual(vectorEnvironment({ kernel: '/vmlinuz' }, 'software-kvm'), [])
})

test("a program beside it has the first one's environment, and what it is given wins over that", (t) => {
  const { env } = execProcess(spec, { argv: ['ls'], env: ['B=3', 'C=4'], interactive: false })
  t.deepEqual(
    env.filter((entry) => !entry.startsWith('GLIBC_TUNABLES=')),
    ['A=1', 'B=3', 'C=4'],
  )
})

test('what the user says of glibc wins over what we say', (t) => {
  const { env } = execProcess({ ...spec, env: ['GLIBC_TUNABLES=x=1'] }, { argv: ['ls'], env: [], interactive: false })
  t.deepEqual(env, ['GLIBC_TUNABLES=x=1'])
})
