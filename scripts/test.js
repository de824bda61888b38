/**
 * Runs the tests and counts them: `node scripts/test.js [--lab=yes|no|only|all] [ava arguments]`. Shows what fails and
 * what is skipped, and ends with `N passed, N failed, N skipped`, counted from the runner's own TAP lines. Fails when a
 * test fails, when the runner does, when nothing ran, when tests were skipped for want of a KVM that works, and when they
 * left a file, record, process, mount or control group.
 *
 * `--lab` is about the SVM lab (docs/svm-lab.md): the short set there as well as all tests here (yes), all tests here
 * (no), the short set alone (only), all guest tests there or the files given (all). Without it, the tests here.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { guestTests } from './lab/test-sets.js'
import { runInLab } from './lab/tests.js'
import { tapReader } from './tap.js'
import { makeTestSpace } from './test-space.js'

const root = fileURLToPath(new URL('..', import.meta.url))
const PROGRESS_MS = 30_000

const say = (line) => process.stdout.write(`${line}\n`)

async function runHere(run, avaArguments) {
  const { NODE_EXTRA_CA_CERTS: _unused, ...env } = process.env
  const cli = `${root}node_modules/ava/entrypoints/cli.mjs`
  const space = makeTestSpace()
  const ava = spawn(process.execPath, ['--', cli, '--tap', ...avaArguments], {
    cwd: root,
    env: { ...env, ...space.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = new Promise((resolve) => ava.once('close', (code) => resolve(code ?? 1)))
  for await (const line of createInterface({ input: ava.stdout })) run.read(line)
  const status = await closed
  run.problems.push(...(await space.close()).map((what) => `the tests left ${what}`))

  // So it does, with an error of its own reporter, when a test hangs.
  if (status !== 0 && !run.complete) {
    run.problems.push(`the test runner gave up with status ${status}; the last test to end was ${run.titles.at(-1)}`)
  } else if (status !== 0 && run.failures.length === 0) run.problems.push(`the test runner ended with status ${status}`)
  if (run.bailedOut) run.problems.push('the test runner gave up')
  if (run.skippedForKvm > 0) {
    const { whyNoKvm } = await import(`${root}build/test/helpers/why-no-kvm.js`)
    const tests = `${run.skippedForKvm} tests`
    if (whyNoKvm === undefined) run.problems.push(`${tests} were skipped for want of a KVM that works`)
    else say(`${tests} need a KVM that makes VMs, and this one does not: ${whyNoKvm}`)
  }
}

const [mode, ...avaArguments] = process.argv[2]?.startsWith('--lab=')
  ? [process.argv[2].slice('--lab='.length), ...process.argv.slice(3)]
  : ['none', ...process.argv.slice(2)]
if (!['none', 'yes', 'no', 'only', 'all'].includes(mode)) {
  say(`--lab=${mode}: it is yes, no, only or all.`)
  process.exit(2)
}
const inLab = ['yes', 'only', 'all'].includes(mode)
const here = tapReader({ say })
const lab = tapReader({ say, prefix: 'lab: ' })
const skipLab = (why) => {
  say(`- lab: the ${mode === 'all' ? 'guest tests' : 'short set'} (skipped: ${why})`)
  lab.skipped++
}

// Of the lab, where a test may take long, also which one ended last.
const progress = setInterval(() => {
  const counts = mode === 'all' || mode === 'only' ? [] : [`${here.passed} passed`]
  if (inLab) counts.push(`${lab.passed} in the lab`)
  const last = lab.titles.at(-1)
  say(`… ${counts.join(', ')} so far${last === undefined ? '' : ` (there: ${last})`}`)
}, PROGRESS_MS)

const tests = mode === 'only' || mode === 'all' ? undefined : runHere(here, avaArguments)
if (mode === 'no') skipLab('LAB=no')
if (inLab) {
  const files = mode === 'all' ? (avaArguments.length > 0 ? avaArguments : guestTests()) : undefined
  const unavailable = await runInLab(lab, { say, files })
  if (unavailable !== undefined) skipLab(unavailable)
}
await tests
clearInterval(progress)

const problems = [...here.problems, ...lab.problems]
if (here.passed + lab.passed === 0) problems.push('no test passed')
for (const problem of problems) say(`✗ ${problem}.`)
// Each was told when it happened, which may be far above.
const failures = [...here.failures, ...lab.failures]
for (const title of failures) say(`✗ failed: ${title}`)
// What went wrong with a run counts as well: the last line of a run that failed never says that nothing did.
const failed = failures.length + problems.length
say(`${here.passed + lab.passed} passed, ${failed} failed, ${here.skipped + lab.skipped} skipped`)
process.exit(failed > 0 ? 1 : 0)
