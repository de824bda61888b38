/** A kernel of the user's own, without a program of ours: it goes on elsewhere by its serial port, and hears of it by ACPI. */
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { UsageError } from '../../src/errors.ts'
import type { RunSpec } from '../../src/instance/run-spec.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { guestPath } from '../helpers/guests.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { openUnikernel } from '../helpers/unikernels.ts'

/** It prints without end. */
const KERNEL = guestPath('bare/serial-loop')

async function started(t: ExecutionContext, name: string, changes: Partial<RunSpec> = {}) {
  const source = { kind: 'kernel', path: KERNEL } as const
  const common = { name, isolation: 'unikernel', source, kernel: KERNEL, memoryBytes: 32 * 2 ** 20 } as const
  const live = openUnikernel(t, busyboxSpec([], { ...common, ...changes }))
  await live.instance.start()
  await live.outputWith(/./)
  return live
}

kvmTestSerial('a kernel of the user goes on in a copy, and the original with it', async (t) => {
  const original = await started(t, 'original')
  const directory = join(temporaryDirectory(t), 'one')
  await original.instance.snapshot!({ directory })
  const copy = await started(t, 'copy', { from: directory })
  const before = original.output().length
  await original.outputWith(new RegExp(`^[\\s\\S]{${before + 10}}`))
  await copy.outputWith(/^\.{10}/)
  t.pass()
})

kvmTestSerial('a kernel that could not hear of its copies is not saved', async (t) => {
  const original = await started(t, 'original', { append: 'acpi=off' })
  await t.throwsAsync(original.instance.snapshot!({ directory: join(temporaryDirectory(t), 'one') }), {
    instanceOf: UsageError,
    message: /its kernel could not be told of the copies/,
  })
})
