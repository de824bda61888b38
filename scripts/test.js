/**
 * Runs the tests and counts them: `node scripts/test.js [ava arguments]`. Shows what fails and what is skipped, and
 * ends with `N passed, N failed, N skipped`, counted from the runner's own TAP lines. Fails when a test fails, when
 * the runner does, when nothing ran, and when tests were skipped for want of a KVM that works.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const SKIPPED_FOR_KVM = /\(skipped: .*kvm/i

const say = (line) => process.stdout.write(`${line}\n`)
const count = { passed: 0, failed: 0, skipped: 0 }
let skippedForKvm = 0
let showing = true
let bailedOut = false

const { NODE_EXTRA_CA_CERTS: _unused, ...env } = process.env
const ava = spawn(
  process.execPath,
  ['--', `${root}node_modules/ava/entrypoints/cli.mjs`, '--tap', ...process.argv.slice(2)],
  {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  },
)

for await (const line of createInterface({ input: ava.stdout })) {
  const result = /^(not )?ok \d+ - (.*)$/.exec(line)
  if (result) {
    const [, not, title] = result
    showing = Boolean(not)
    if (not) {
      count.failed++
      say(`✗ ${title}`)
    } else if (/# SKIP/i.test(title)) {
      count.skipped++
      if (SKIPPED_FOR_KVM.test(title)) skippedForKvm++
      say(`- ${title}`)
    } else count.passed++
    continue
  }
  if (/^Bail out!/.test(line)) bailedOut = true
  if (/^(TAP version|\d+\.\.\d+|# (tests|pass|skip|fail) )/.test(line)) continue
  // What follows a failed test, and what the tests themselves printed.
  if (showing) say(line)
}
const status = ava.exitCode ?? (await new Promise((resolve) => ava.once('close', (code) => resolve(code ?? 1))))

const problems = []
if (status !== 0 && count.failed === 0) problems.push(`the test runner ended with status ${status}`)
if (bailedOut) problems.push('the test runner gave up')
if (count.passed === 0) problems.push('no test passed')
if (skippedForKvm > 0) {
  const { whyNoKvm } = await import(`${root}build/test/helpers/kvm.js`)
  if (whyNoKvm === undefined) problems.push(`${skippedForKvm} tests were skipped for want of a KVM that works`)
  else say(`${skippedForKvm} tests need a KVM that makes VMs, and this one does not: ${whyNoKvm}`)
}
for (const problem of problems) say(`Tests: ${problem}.`)
say(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`)
process.exit(status !== 0 || problems.length > 0 || count.failed > 0 ? 1 : 0)
