/** docs/getting-started.md, typed as it stands there: what it promises is what comes. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { packageRoot } from '../../src/paths.ts'
import { CLOISTER } from '../helpers/cli.ts'
import { temporaryDirectory, whyNoContainers } from '../helpers/containers.ts'
import { kvmTest } from '../helpers/kvm.ts'

interface Step {
  readonly line: string
  readonly output: string
}

/** Lines after a prompt, each with the output that is shown for it. */
function stepsOf(path: string): Step[] {
  const blocks = [...readFileSync(join(packageRoot, path), 'utf8').matchAll(/^```\n(\$ .*?)^```/gms)]
  return blocks.flatMap(([, block]) =>
    block!
      .split(/^\$ /m)
      .slice(1)
      .map((step) => {
        const [line = '', ...output] = step.split('\n')
        return { line, output: output.join('\n') }
      }),
  )
}

/** Host names, kernel versions and ages differ from one time to the next, and so do widths of columns. */
const steady = (output: string): string =>
  output
    .replaceAll(/\b[a-z]+-[a-z]+(?=-?\d* \d)/g, 'NAME')
    .replaceAll(/\d+\.\d+\.\d+[-+.\w]*/g, 'VERSION')
    .replaceAll(/\d+ s ago/g, 'AGE')
    .replaceAll(/ {2,}/g, '  ')

/** Too long for here, about an instance of the reader's own, or about the reader's shell. */
const isForThePage = (line: string): boolean => /cloister (compare|doctor)|NAME|^eval/.test(line)

kvmTest('the commands of the getting-started page print what it shows', (t: ExecutionContext) => {
  const steps = stepsOf('docs/getting-started.md').filter(({ line }) => !isForThePage(line))
  t.true(steps.length >= 12)
  const directory = temporaryDirectory(t)
  const env = {
    ...process.env,
    PATH: [dirname(CLOISTER), process.env.PATH].join(delimiter),
    CLOISTER_ROOT: join(directory, '.root'),
  }
  const run = (line: string) =>
    spawnSync('bash', ['-c', line], { cwd: directory, env, encoding: 'utf8', timeout: 30_000, killSignal: 'SIGKILL' })
  for (const { line, output } of steps) {
    if (line.startsWith('sudo ') && whyNoContainers !== undefined) {
      t.log(`left out (${whyNoContainers}): ${line}`)
      continue
    }
    const { stdout, status } = run(line.replace(/^sudo /, ''))
    t.is(status, 0, line)
    if (output !== '') t.is(steady(stdout), steady(output), line)
  }
  t.is(run('cloister ps -aq | xargs -r cloister rm -f').status, 0)
})
