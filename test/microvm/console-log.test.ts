import test from 'ava'
import { createConsoleLog } from '../../src/microvm/console-log.ts'
import { describeEnd, describeExit } from '../../src/microvm/ending.ts'

const MEMORY = 128 * 2 ** 20
const PANIC = [
  '[    3.100000] Run /init as init process',
  '[    4.200000][    T1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009',
  '[    4.300000][    T1] CPU: 0 PID: 1 Comm: init Not tainted 6.1.192 #4',
  '[    4.400000][    T1] Call Trace:',
  '[    4.500000][    T1]  panic+0x101/0x2d1',
]

function heard(lines: readonly string[]) {
  const logged: string[] = []
  const log = createConsoleLog((line) => logged.push(line))
  log.serial.write(new TextEncoder().encode(lines.map((line) => `${line}\r\n`).join('')))
  return { log, logged }
}

test('every line of the kernel goes to the log as it is', (t) => {
  t.deepEqual(heard(PANIC).logged, PANIC)
})

test('of a panic the report keeps why, without times and without the trace', (t) => {
  t.deepEqual(heard(PANIC).log.lines(), [
    'Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009',
    'CPU: 0 PID: 1 Comm: init Not tainted 6.1.192 #4',
    'Call Trace:',
  ])
})

test('of a kernel that only talked the report has the last lines, a few of them', (t) => {
  const { log } = heard(Array.from({ length: 1000 }, (_, n) => `[    1.000000] line ${n}`))
  t.is(log.lines().at(-1), 'line 999')
  t.true(log.lines().length <= 12)
})

test('a panic is the guest’s end with 125 and its reason, whatever way the machine ended by', (t) => {
  const { log } = heard(PANIC)
  for (const kind of ['reset', 'powerOff'] as const) {
    const { exitCode, report = '' } = describeEnd({ kind }, log, MEMORY)
    t.is(exitCode, 125)
    t.regex(report, /^The guest's kernel ended before its program did\.\n {2}Kernel panic - not syncing: Attempted/)
  }
  t.like(describeEnd({ kind: 'died', report: 'The guest died: x.' }, log, MEMORY), { exitCode: 125 })
  t.false(log.outOfMemory)
})

for (const reason of [
  ['Kernel panic - not syncing: System is deadlocked on memory'],
  ['Kernel panic - not syncing: Out of memory and no killable processes...'],
  ['Out of memory: Killed process 1 (init)', 'Kernel panic - not syncing: Attempted to kill init!'],
]) {
  test(`a guest whose kernel gave up for want of memory ends with 137: ${reason[0]}`, (t) => {
    const { log } = heard(reason)
    const result = describeEnd({ kind: 'reset' }, log, MEMORY)
    t.like(result, { exitCode: 137, outOfMemory: true })
    t.regex(result.report ?? '', /128 MiB .*--memory/)
  })
}

test('a program that was ended for want of memory says so, and any other end is its own', (t) => {
  t.like(describeExit({ exitCode: 137, outOfMemory: true }, MEMORY), { exitCode: 137, outOfMemory: true })
  t.regex(describeExit({ exitCode: 137, outOfMemory: true }, MEMORY).report ?? '', /the program needed more/)
  t.deepEqual(describeExit({ exitCode: 137 }, MEMORY), { exitCode: 137 })
  t.deepEqual(describeExit({ exitCode: 0 }, MEMORY), { exitCode: 0 })
})
