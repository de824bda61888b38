/**
 * Vector registers belong to the program (guest-kernel/tests/programs/avx.c): whatever leaves the guest, they are the
 * same afterwards. That AVX is enabled where the processor's policy offers it is asserted too, so none is passed over.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { KvmSystem } from '../../kvm-bindings/kvm.ts'
import { planCpio } from '../../src/image/cpio.ts'
import { rootTree } from '../../src/image/root-tree.ts'
import type { CpuPolicy } from '../../src/machine/cpu-policy.ts'
import { cpuidEntries, suggestCpuPolicy } from '../../src/machine/vcpu-setup.ts'
import { packageRoot, unikernelPath } from '../../src/paths.ts'
import { createUnikernel } from '../../src/unikernel/unikernel.ts'
import { busyboxSpec } from '../helpers/busybox-spec.ts'
import { temporaryDirectory } from '../helpers/containers.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'

/** The SVM lab (docs/svm-lab.md). */
const emulated = /^model name\s*: QEMU/m.test(readFileSync('/proc/cpuinfo', 'latin1'))
const AVX = 1 << 28
const XCR0_AVX = 1n << 2n
/** Each stop and resume is an exit to user space, at whatever instruction the program was. */
const STOPS_AT_LEAST = 100
/** So many that a loaded host still gets to the end. */
const STOPS_AT_MOST = 1000

function build(t: ExecutionContext, compiler: string): string {
  const program = join(temporaryDirectory(t), 'avx')
  const source = join(packageRoot, 'guest-kernel/tests/programs/avx.c')
  execFileSync(compiler, ['-static', '-O1', '-Wall', '-Werror', '-o', program, source])
  return program
}

/** As the program should say it; the host under a policy decides, as inside. */
const verdict = (avx: boolean) => [
  avx ? 'PASS AVX is enabled' : 'PASS no AVX, SSE alone',
  'PASS first touches of memory',
  'PASS writes to the console',
  'PASS sleeps',
  'PASS signals',
  'PASS a loop without system calls',
]

const offersAvx = (policy: CpuPolicy) =>
  (BigInt(policy.xcr0 ?? 0) & XCR0_AVX) !== 0n &&
  (cpuidEntries(policy, 0).find((entry) => entry.function === 1)!.ecx & AVX) !== 0

function hostPolicy(): CpuPolicy {
  using kvm = KvmSystem.open()
  using vm = kvm.createVm()
  vm.createIrqchip()
  using vcpu = vm.createVcpu(0)
  return suggestCpuPolicy(kvm, vcpu, 1)
}

/** Runs it in the unikernel, in this process, with `during` at work until it ends. */
async function runInside(
  program: string,
  during: (machine: { pause(): Promise<void>; resume(): void; ended: () => boolean }) => Promise<void>,
) {
  const file = `${program}.out`
  const stdout = openSync(file, 'w')
  const stderr = openSync('/dev/null', 'w')
  const source = { kind: 'program', hostPath: program, path: '/avx' } as const
  const spec = busyboxSpec([], { isolation: 'unikernel', source, program: '/avx', argv: ['/avx'] })
  const instance = createUnikernel(spec, { stdio: { stdout, stderr } })
  try {
    await instance.start()
    let ended = false
    const result = instance.wait().finally(() => {
      ended = true
    })
    await during({ pause: () => instance.pause(), resume: () => instance.resume(), ended: () => ended })
    const { exitCode, report } = await result
    return { exitCode, report, lines: readFileSync(file, 'utf8').trimEnd().split('\n') }
  } finally {
    await instance.close()
    for (const fd of [stdout, stderr]) closeSync(fd)
    rmSync(file)
  }
}

for (const compiler of ['gcc', 'musl-gcc']) {
  test(`vector registers are kept on Linux (${compiler})`, (t) => {
    const avx = /^flags\s*:.* avx /m.test(readFileSync('/proc/cpuinfo', 'latin1'))
    const output = execFileSync(build(t, compiler), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    t.deepEqual(output.trimEnd().split('\n'), verdict(avx))
  })

  kvmTestSerial(
    `vector registers are kept across exits, and hold AVX where the policy says so (${compiler})`,
    async (t) => {
      const { exitCode, report, lines } = await runInside(build(t, compiler), async () => {})
      t.deepEqual(lines, verdict(offersAvx(hostPolicy())))
      t.is(exitCode, 0, report)
    },
  )
}

const storm = 'vector registers are kept when the VM is stopped and resumed at any instruction'
if (emulated) test.skip(`${storm} (skipped: an emulated processor takes minutes for it)`, () => {})
else
  kvmTestSerial(storm, async (t) => {
    let stops = 0
    const { exitCode, report, lines } = await runInside(build(t, 'gcc'), async ({ pause, resume, ended }) => {
      for (; !ended() && stops < STOPS_AT_MOST; stops++) {
        await pause()
        resume()
        await nextTurn()
      }
    })
    t.deepEqual(lines, verdict(offersAvx(hostPolicy())))
    t.is(exitCode, 0, report)
    t.log(`${stops} stops`)
    t.true(stops >= STOPS_AT_LEAST, `${stops} stops`)
  })

// The line of DESIGN's guest contract. QEMU gives a guest no XCR0, as a processor does not: the guest kernel sets it.
const QEMU = 'qemu-system-x86_64'
const MACHINE = `-M microvm,acpi=off,auto-kernel-cmdline=on,isa-serial=on -global virtio-mmio.force-legacy=false
  -accel kvm -cpu host,-arch-capabilities -m 128 -nodefaults -no-user-config -nographic -serial stdio -no-reboot
  -device isa-debug-exit,iobase=0xf4,iosize=1`.split(/\s+/)

const title = 'vector registers are kept when QEMU runs the same guest kernel'
if (spawnSync(QEMU, ['--version']).status !== 0) test.skip(`${title} (skipped: it is not installed)`, () => {})
else if (emulated) test.skip(`${title} (skipped: this processor is emulated and does not tell KVM of XSETBV)`, () => {})
else {
  kvmTestSerial(title, (t) => {
    const program = build(t, 'gcc')
    const archive = planCpio(rootTree({ kind: 'program', hostPath: program, path: '/avx' }))
    const bytes = new Uint8Array(archive.size)
    archive.write(bytes)
    writeFileSync(`${program}.cpio`, bytes)
    const boot = ['-kernel', unikernelPath, '-initrd', `${program}.cpio`, '-append', ' -- /avx']
    const { status, stdout } = spawnSync(QEMU, [...MACHINE, ...boot], {
      encoding: 'utf8',
      timeout: 60_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    // One serial port for both streams: the dots of the writes are in between.
    t.deepEqual(stdout.match(/PASS .*|FAIL .*/g), verdict(offersAvx(hostPolicy())), stdout)
    t.is(status, 1, 'the exit port: (0 << 1) | 1')
  })
}
