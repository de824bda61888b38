import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import test from 'ava'
import { isAlive, ownIdentity } from '../../src/instance/process-identity.ts'

test('this process is alive, by pid and start time', (t) => {
  const own = ownIdentity()
  t.is(own.pid, process.pid)
  t.regex(own.startTime, /^\d+$/)
  t.true(isAlive(own))
})

test('a process of the same pid that started at another time is another process', (t) => {
  t.false(isAlive({ ...ownIdentity(), startTime: '1' }))
})

test('a process whose name holds blanks and parentheses is still read right', async (t) => {
  const child = spawn('/bin/sh', ['-c', 'printf "a) R 1 (b" > /proc/self/comm; echo ready; read line'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const pid = child.pid!
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  t.true(stat.includes('(a) R 1 (b)'))
  // 52 fields in all (proc(5)): the 22nd is the 31st from the end.
  const startTime = stat.trim().split(' ').at(-31)!
  t.true(isAlive({ pid, startTime }))
})

test('a process that has ended is not alive', async (t) => {
  const child = spawn('/bin/true', { stdio: 'ignore' })
  const pid = child.pid!
  await once(child, 'exit')
  t.false(isAlive({ pid, startTime: '1' }))
})
