/** docs/unikernel-abi.md lists the system calls that the guest kernel serves: the list and the kernel's table agree. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { packageRoot } from '../../src/paths.ts'

const read = (path: string) => readFileSync(join(packageRoot, path), 'utf8')

const tableRows = [...read('guest-kernel/personality/syscall_table.c').matchAll(/^ {2}ROW\((\w+), (\w+)\),$/gm)].map(
  (match) => match[1]!,
)
const section = read('docs/unikernel-abi.md').split('## System calls served\n')[1]!
const documented = [...section.matchAll(/^\|.*\|$/gm)].flatMap((row) =>
  [...row[0].matchAll(/`(\w+)`/g)].map((match) => match[1]!),
)

test('every system call of the table is documented, and no other', (t) => {
  t.true(tableRows.length > 100)
  t.deepEqual([...documented].sort(), [...tableRows].sort())
})

test('the table is in order of the numbers, each once', (t) => {
  const numbers = new Map(
    [
      ...readFileSync('/usr/include/x86_64-linux-gnu/asm/unistd_64.h', 'utf8').matchAll(/#define __NR_(\w+) (\d+)/g),
    ].map((match) => [match[1]!, Number(match[2])]),
  )
  const order = tableRows.map((name) => numbers.get(name)!)
  t.deepEqual(
    order,
    [...new Set(order)].sort((a, b) => a - b),
  )
})
