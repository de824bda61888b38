/** Tests that need a real VM: they skip with the reason where /dev/kvm cannot create one. */
import anyTest, { type ExecutionContext } from 'ava'
import { whyNoKvm } from './why-no-kvm.ts'

/** `test` of ava, or `test.skip` with the reason in the title. */
export function kvmTest(title: string, implementation: (t: ExecutionContext) => void | Promise<void>): void {
  if (whyNoKvm === undefined) anyTest(title, implementation)
  else anyTest.skip(`${title} (skipped: no KVM here: ${whyNoKvm})`, implementation)
}

/** The same, one after the other: for tests that count what the process holds. */
export function kvmTestSerial(title: string, implementation: (t: ExecutionContext) => void | Promise<void>): void {
  if (whyNoKvm === undefined) anyTest.serial(title, implementation)
  else anyTest.serial.skip(`${title} (skipped: no KVM here: ${whyNoKvm})`, implementation)
}
