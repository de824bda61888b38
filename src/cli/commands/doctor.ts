/** `cloister doctor`: what this host can run, and what to do where it cannot. */
import type { CheckedFinding, CheckStatus } from '../../doctor/check.ts'
import { examine } from '../../doctor/doctor.ts'
import { type CommandContext, flag } from '../command.ts'
import { examineLeftovers } from '../leftovers.ts'
import { type Colour, colouring, print, wantsColour } from '../terminal.ts'

const MARKS: Readonly<Record<CheckStatus, { symbol: string; colour: Colour }>> = {
  pass: { symbol: '✓', colour: 'green' },
  warn: { symbol: '!', colour: 'yellow' },
  fail: { symbol: '✗', colour: 'red' },
}

export async function run({ arguments: parsed, log }: CommandContext): Promise<number> {
  const findings = [...(await examine()), await examineLeftovers({ fix: flag(parsed, 'fix'), log })]
  const ok = findings.every(({ status }) => status !== 'fail')
  if (flag(parsed, 'json')) print(JSON.stringify({ schema: 'cloister.doctor/1', ok, checks: findings }, undefined, 2))
  else print(render(findings, colouring(wantsColour(process.stdout.isTTY === true))))
  return ok ? 0 : 1
}

function render(findings: readonly CheckedFinding[], paint: ReturnType<typeof colouring>): string {
  const width = Math.max(...findings.map(({ title }) => title.length))
  const lines = findings.flatMap(({ status, title, detail, remedy }) => {
    const { symbol, colour } = MARKS[status]
    const line = `${paint(colour, `${symbol} ${status}`)}  ${title.padEnd(width)}  ${detail}`
    const indent = ' '.repeat('✓ pass  '.length + width + 2)
    return remedy === undefined ? [line] : [line, `${indent}${paint('dim', remedy)}`]
  })
  return [...lines, '', verdict(findings)].join('\n')
}

const MICROVM_CHECKS: ReadonlySet<string> = new Set(['guest-linux', 'root-images'])

function verdict(findings: readonly CheckedFinding[]): string {
  const count = (status: CheckStatus): number => findings.filter((finding) => finding.status === status).length
  const tally = `${count('pass')} pass, ${count('warn')} warn, ${count('fail')} fail`
  if (count('fail') > 0) return `${tally}: mend what fails and ask again.`
  // Without these it is the other two that run: a warning.
  const lacksLinux = findings.some(({ id, status }) => MICROVM_CHECKS.has(id) && status !== 'pass')
  return `${tally}: ${lacksLinux ? 'container and unikernel' : 'container, unikernel and microvm'} can run here.`
}
