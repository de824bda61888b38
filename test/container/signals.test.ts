import test from 'ava'
import fc from 'fast-check'
import { parseOpenFilesMax, parseStatus, readStatus } from '../../src/container/proc-status.ts'
import { signalEffect } from '../../src/container/signals.ts'

const status = (masks: Partial<Record<'SigBlk' | 'SigIgn' | 'SigCgt', string>>) =>
  parseStatus(
    [
      'Name:\tprog',
      'State:\tS (sleeping)',
      'NSpid:\t412\t7\t1',
      ...Object.entries(masks).map(([k, v]) => `${k}:\t${v}`),
    ].join('\n'),
  )

const SIGINT = 2
const SIGTERM = 15
const [SIGCHLD, SIGCONT, SIGTSTP, SIGWINCH] = [17, 18, 20, 28]

test('a signal with a handler is delivered', (t) => {
  t.is(signalEffect(SIGINT, status({ SigCgt: '0000000000000002' })), 'deliver')
})

test('a signal without a handler ends process 1 as it would end any other', (t) => {
  t.is(signalEffect(SIGINT, status({ SigCgt: '0000000000004000' })), 'end')
  t.is(signalEffect(SIGTERM, status({})), 'end')
  t.is(signalEffect(64, status({ SigCgt: '7fffffffffffffff' })), 'end')
})

test('a blocked signal may be waited for and is delivered', (t) => {
  t.is(signalEffect(SIGTERM, status({ SigBlk: '0000000000004000' })), 'deliver')
})

test('an ignored signal, and one whose default is to be ignored, does nothing', (t) => {
  t.is(signalEffect(SIGINT, status({ SigIgn: '0000000000000002' })), 'nothing')
  t.is(signalEffect(SIGCHLD, status({})), 'nothing')
  t.is(signalEffect(SIGWINCH, status({})), 'nothing')
})

test('stop signals stop, SIGCONT is always delivered, SIGKILL always ends', (t) => {
  t.is(signalEffect(SIGTSTP, status({})), 'stop')
  t.is(signalEffect(SIGCONT, status({})), 'deliver')
  t.is(signalEffect(9, status({ SigCgt: 'ffffffffffffffff' })), 'end')
})

test('the pids of a process are read from ours to its innermost namespace', (t) => {
  t.deepEqual(status({}).nsPids, [412, 7, 1])
  t.is(status({}).name, 'prog')
  t.is(readStatus(process.pid)?.nsPids[0], process.pid)
})

test('no text makes the parser of /proc/PID/status throw', (t) => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (key, value) => {
      const { caught } = parseStatus(`${key}:${value}\nSigCgt:${value}`)
      t.true(caught >= 0n && caught < 1n << 64n)
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
