import test from 'ava'
import { commandLine } from '../helpers/cli.ts'
import { whyNoKvm } from '../helpers/why-no-kvm.ts'

interface Report {
  schema: string
  ok: boolean
  checks: {
    id: string
    title: string
    status: 'pass' | 'warn' | 'fail'
    detail: string
    remedy?: string
    facts?: Record<string, unknown>
  }[]
}

test('doctor --json is one document: every check with its finding, the remedy where something is amiss', async (t) => {
  const { status, stdout, stderr } = await commandLine(t)(['doctor', '--json'])
  const report = JSON.parse(stdout) as Report
  t.is(report.schema, 'cloister.doctor/1')
  t.is(stderr, '')
  t.is(
    report.ok,
    report.checks.every((check) => check.status !== 'fail'),
  )
  t.is(status, report.ok ? 0 : 1)
  for (const check of report.checks) {
    t.true(check.detail.length > 0, check.id)
    t.is(check.remedy !== undefined, check.status !== 'pass', check.id)
  }
  const ids = report.checks.map(({ id }) => id)
  for (const id of [
    'kvm-device',
    'kvm-create-vm',
    'kvm-backend',
    'kernel-mode-speed',
    'container-runtime',
    'cgroups',
    'guest-kernel',
    'memory',
  ]) {
    t.true(ids.includes(id), id)
  }
})

test('doctor says of KVM what the tests find, and measures its kernel mode', async (t) => {
  const { checks } = JSON.parse((await commandLine(t)(['doctor', '--json'])).stdout) as Report
  const find = (id: string) => checks.find((check) => check.id === id)!
  t.is(find('kvm-create-vm').status === 'pass', whyNoKvm === undefined)
  const speed = find('kernel-mode-speed')
  if (whyNoKvm === undefined) t.true((speed.facts?.instructionsPerSecond as number) > 0)
  else t.is(speed.status, 'fail')
})

test('the table has a line for each check, a verdict, and no colours in a pipe', async (t) => {
  const { stdout } = await commandLine(t)(['doctor'])
  t.regex(stdout, /^✓ pass {2}Node\.js +\d+\.\d+\.\d+$/m)
  t.regex(stdout, /^\d+ pass, \d+ warn, \d+ fail: /m)
  t.false(stdout.includes('\u001b'))
})

test('the verdict names the levels that run: a microVM takes its Linux, and what makes root images', async (t) => {
  const { stdout } = await commandLine(t)(['doctor'])
  if (!/, 0 fail: /.test(stdout)) return t.regex(stdout, /: mend what fails and ask again\.$/m)
  const hasLinux = /✓ pass {2}Linux of microVMs/.test(stdout) && /✓ pass {2}Root images/.test(stdout)
  return t.regex(
    stdout,
    hasLinux ? /: container, unikernel and microvm can run here\./ : /: container and unikernel can/,
  )
})
