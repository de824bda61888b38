import test from 'ava'
import fc from 'fast-check'
import { parseOpenFilesMax, parseStatus, readStatus } from '../../src/host/process-status.ts'

const status = parseStatus('Name:\tprog\nState:\tS (sleeping)\nNSpid:\t412\t7\t1\n')

test('the pids of a process are read from ours to its innermost namespace', (t) => {
  t.deepEqual(status.nsPids, [412, 7, 1])
  t.is(status.name, 'prog')
  t.is(readStatus(process.pid)?.nsPids[0], process.pid)
})

test('no text makes the parser of /proc/PID/status throw', (t) => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (key, value) => {
      t.true(parseStatus(`${key}:${value}`).state.length <= 1)
    }),
  )
})

test('the hard limit of open files is the second number', (t) => {
  const line = (soft: string, hard: string) =>
    `Max processes             96365                96365                processes \nMax open files            ${soft.padEnd(20)} ${hard.padEnd(20)} files     \n`
  t.is(parseOpenFilesMax(line('1024', '524288')), 524_288)
  t.is(parseOpenFilesMax(line('unlimited', 'unlimited')), Number.POSITIVE_INFINITY)
  t.is(parseOpenFilesMax(''), 1024)
})
