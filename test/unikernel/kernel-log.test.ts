import test from 'ava'
import { createKernelLog } from '../../src/unikernel/kernel-log.ts'

const record = () => {
  const logged: string[] = []
  const kernelLog = createKernelLog((line) => logged.push(line))
  const serial = (text: string) => kernelLog.serial.write(Buffer.from(text))
  return { kernelLog, logged, serial }
}

test('a panic said on the serial port and on the control port is said once', (t) => {
  const { kernelLog, logged, serial } = record()
  serial('cloister guest kernel: panic: page fault\ncloister guest kernel: rax 0\n')
  kernelLog.control('panic: page fault')
  kernelLog.control('rax 0')
  t.deepEqual(kernelLog.lines(), ['panic: page fault', 'rax 0'])
  t.deepEqual(logged, kernelLog.lines())
})

test('what a user has read on the serial port is not in the report once more', (t) => {
  const { kernelLog } = record()
  const taken: string[] = []
  const write = (bytes: Uint8Array) => {
    taken.push(Buffer.from(bytes.subarray(0, 40)).toString())
    return Math.min(bytes.length, 40)
  }
  const sink = kernelLog.overhear({ write, onDrain() {} })
  const text = Buffer.from('cloister guest kernel: panic: page fault at some address\n')
  for (let at = 0; at < text.length; ) at += sink.write(text.subarray(at))
  t.is(taken.join(''), text.toString())
  kernelLog.control('panic: page fault at some address')
  kernelLog.control('something else')
  t.deepEqual(kernelLog.lines(), ['something else'])
})

test('a line without its end is there when the guest has ended', (t) => {
  const { kernelLog, serial } = record()
  serial('cloister guest kernel: pan')
  t.deepEqual(kernelLog.lines(), [])
  kernelLog.serial.end()
  kernelLog.serial.end()
  t.deepEqual(kernelLog.lines(), ['pan'])
})

test('only the last lines are kept, however much a guest says', (t) => {
  const { kernelLog, logged } = record()
  for (let line = 0; line < 1000; line++) kernelLog.control(`line ${line}`)
  t.is(logged.length, 1000)
  t.is(kernelLog.lines().at(-1), 'line 999')
  t.true(kernelLog.lines().length <= 10)
})

test('system calls that the kernel does not have become sentences for the user', (t) => {
  const { kernelLog } = record()
  kernelLog.control('system call clone (56) is not supported: the program gets ENOSYS')
  kernelLog.control('the root file tree does not fit into memory')
  kernelLog.control('system call socket (41) is not supported: the program gets ENOSYS')
  t.deepEqual(kernelLog.refusedCalls(), [
    'clone (system call 56) is not supported: a unikernel runs one process with one thread (docs/unikernel-abi.md)',
    'socket (system call 41) is not supported (docs/unikernel-abi.md)',
  ])
  for (let number = 500; number < 2000; number++)
    kernelLog.control(`system call without a name (${number}) is not supported: the program gets ENOSYS`)
  t.true(kernelLog.refusedCalls().length <= 10)
})
