/**
 * Runs test files in the lab and counts them out here: the short set, or the files given. A test that hangs costs its
 * file; a lab that hangs is ended.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { missingFromShortSet, shortSetFiles, shortSetTitles } from './test-sets.js'

const UNAVAILABLE = 77
const TIMED_OUT = 124
const FAILED = 125
/** Seconds until a test ends, where a busy host needs five minutes, and for everything. */
const TEST_LIMIT = 10 * 60
const LIMITS = { short: 20 * 60, all: 150 * 60 }
const LINES_KEPT = 20

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`

/**
 * One process of ava for each file would be ten seconds each: a file that imports the others is one. It is made in the
 * lab, so nobody else sees it.
 */
const SHORT_SET_FILE = 'build/test/short-set.test.js'
const makeShortSetFile = () => {
  const imports = shortSetFiles.map((file) => `import './${file}'`)
  return `printf '%s\\n' ${imports.map(quote).join(' ')} >${SHORT_SET_FILE} && `
}

/** Resolves, when `run` has counted all, to nothing, or to the reason why there is no lab here. */
export async function runInLab(run, { say, files }) {
  const limit = files ? LIMITS.all : LIMITS.short
  // A file name may be a pattern, which ava expands.
  const chosen = files ?? [SHORT_SET_FILE, ...shortSetTitles.flatMap((title) => ['--match', title])]
  const command = `${files ? '' : makeShortSetFile()}scripts/lab/ava.sh ${TEST_LIMIT} ${chosen.map(quote).join(' ')}`
  const lab = spawn(
    process.execPath,
    [fileURLToPath(new URL('run.js', import.meta.url)), '--timeout', String(limit), command],
    // By its channel it knows when this process is gone.
    { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] },
  )
  const closed = new Promise((resolve) => lab.once('close', (code, signal) => resolve(code ?? signal)))

  // Kernel messages and the like: of use only when something failed.
  const aside = []
  createInterface({ input: lab.stderr }).on('line', (line) => {
    if (/^lab: (?:fetching|another run| )/.test(line)) say(line)
    aside.push(line)
  })
  for await (const line of createInterface({ input: lab.stdout })) run.read(line)
  const status = await closed

  const last = run.titles.at(-1)
  const after = last === undefined ? 'before its first test' : `after ${JSON.stringify(last)}`
  const problem = (text) => run.problems.push(text)
  if (status === UNAVAILABLE)
    return aside.findLast((line) => line.startsWith('lab: '))?.slice('lab: '.length) ?? 'no word why'
  if (status === TIMED_OUT) problem(`the lab's time limit of ${limit / 60} minutes was over ${after}`)
  else if (status === FAILED || typeof status === 'string') problem(`the lab failed ${after}`)
  else if (status !== 0 && run.failures.length === 0) problem(`the lab's test runner ended with status ${status}`)
  else if (!files) {
    for (const row of missingFromShortSet(run.titles)) problem(`of the lab's short set no such test ran: ${row}`)
  }
  if (run.bailedOut) problem("the lab's test runner gave up")
  if (run.skippedForKvm > 0) problem(`${run.skippedForKvm} tests were skipped in the lab for want of a KVM that works`)
  if (run.problems.length > 0 || run.failures.length > 0) {
    say('lab: the last lines of its standard error and console:')
    for (const line of aside.slice(-LINES_KEPT)) say(`lab:   ${line}`)
  }
}
