import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { UsageError } from '../../src/errors.ts'
import { buildCommand, guestLinux, linuxFlavour } from '../../src/microvm/guest-linux.ts'
import { kernelArguments } from '../../src/microvm/kernel-arguments.ts'
import { temporaryDirectory } from '../helpers/containers.ts'

const words = (line: string) => line.split(' ')

test('a KVM that emulates kernel mode has the Linux made for it, any other has Linux as it is', (t) => {
  const modules = temporaryDirectory(t)
  t.is(linuxFlavour(modules), 'standard')
  mkdirSync(join(modules, 'kvm_pvm'))
  t.is(linuxFlavour(modules), 'software-kvm')
  mkdirSync(join(modules, 'kvm_amd'))
  t.is(linuxFlavour(modules), 'standard')
})

test('what a Linux of ours was built from is its digest', (t) => {
  const directory = temporaryDirectory(t)
  const digest = 'ab'.repeat(32)
  mkdirSync(join(directory, digest))
  writeFileSync(join(directory, digest, 'vmlinux'), 'kernel')
  symlinkSync(join(directory, digest, 'vmlinux'), join(directory, 'link'))
  const linux = guestLinux(undefined, () => join(directory, 'link'))
  t.is(linux.flavour, linuxFlavour())
  t.is(linux.path, join(directory, digest, 'vmlinux'))
  t.is(linux.digest, digest)
})

test('a Linux that is not built, or whose build has been removed, is refused with what to do', (t) => {
  const directory = temporaryDirectory(t)
  symlinkSync(join(directory, 'gone/vmlinux'), join(directory, 'dangling'))
  for (const path of [join(directory, 'nothing'), join(directory, 'dangling')]) {
    const error = t.throws(() => guestLinux(undefined, () => path), { instanceOf: UsageError })
    t.regex(error.message, /is not built/)
    t.regex(error.hint ?? '', /make linux/)
  }
})

test('it is built by make in a checkout, and by the recipe alone in an installed package', (t) => {
  const root = temporaryDirectory(t)
  t.is(buildCommand(root), `sh ${root}/guest-kernel/linux/build.sh`)
  writeFileSync(join(root, 'Makefile'), '')
  t.is(buildCommand(root), 'make linux')
})

test("a kernel of the user's own goes by what is in it", (t) => {
  const directory = temporaryDirectory(t)
  const [one, other] = [join(directory, 'one'), join(directory, 'other')]
  writeFileSync(one, 'kernel')
  writeFileSync(other, 'other kernel')
  t.is(guestLinux(one).flavour, 'foreign')
  t.not(guestLinux(one).digest, guestLinux(other).digest)
  writeFileSync(other, 'kernel')
  t.is(guestLinux(one).digest, guestLinux(other).digest)
  const error = t.throws(() => guestLinux(join(directory, 'nothing')), { instanceOf: UsageError })
  t.regex(error.message, /there is no such file/)
})

test('every Linux has its console on the serial port, and ends its machine when it panics', (t) => {
  for (const flavour of ['standard', 'software-kvm', 'foreign'] as const) {
    const line = words(kernelArguments({ flavour, tscKhz: 1 }))
    for (const word of ['console=ttyS0', 'panic=-1', 'reboot=k']) t.true(line.includes(word), word)
  }
})

test('the Linux for software KVM is told the frequency of its clock and given a seed, which no two have', (t) => {
  const line = () => words(kernelArguments({ flavour: 'software-kvm', tscKhz: 2_596_128 }))
  t.true(line().includes('tsc_early_khz=2596128'))
  t.true(line().includes('acpi=off'))
  const seed = () => line().find((word) => /^rng_seed=[0-9a-f]{64}$/.test(word))
  t.truthy(seed())
  t.not(seed(), seed())
  for (const flavour of ['standard', 'foreign'] as const) {
    t.notRegex(kernelArguments({ flavour }), /rng_seed|tsc|acpi=off/)
  }
})
