/** The bindings on a real /dev/kvm. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import test, { type ExecutionContext } from 'ava'
import { CAP } from '../../kvm-bindings/capabilities.ts'
import * as c from '../../kvm-bindings/constants.ts'
import * as ffi from '../../kvm-bindings/ffi.ts'
import { KVM_API_VERSION, KvmSystem } from '../../kvm-bindings/kvm.ts'
import { picState } from '../../kvm-bindings/structs/irqchip.ts'
import type { VcpuExit } from '../../kvm-bindings/vcpu-exit.ts'
import type { RunOutcome, VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { kvmTest, kvmTestSerial } from '../helpers/kvm.ts'
import { MEMORY_SIZE, openFds, type RealModeGuest, realModeGuest } from './real-mode-guest.ts'
import { signalAllThreads } from './threads.ts'

// Real-mode instructions.
const HLT = [0xf4]
const FOREVER = [0xeb, 0xfe] // jmp $
const outByte = (port: number) => [0xe6, port] // out port, al
const inByte = (port: number) => [0xe4, port] // in al, port
const movAl = (value: number) => [0xb0, value]
const storeAl = (address: number) => [0xa2, address & 0xff, address >> 8] // mov [address], al

/** Runs to the exit of the given kind, giving up after as many exits as no test here needs. */
function runTo(vcpu: VcpuFd, kind: VcpuExit['kind']): VcpuExit {
  for (let step = 0; step < 100; step++) {
    vcpu.run()
    const exit = vcpu.exit()
    if (exit.kind === kind) return exit
  }
  throw new Error(`no ${kind} in 100 exits`)
}

function guestTest(
  title: string,
  code: readonly number[],
  body: (t: ExecutionContext, guest: RealModeGuest) => void | Promise<void>,
) {
  kvmTest(title, async (t) => {
    const guest = realModeGuest(code)
    try {
      await body(t, guest)
    } finally {
      guest.close()
    }
  })
}

test('a host without the device is told by errno', (t) => {
  t.throws(() => KvmSystem.open('/dev/no-kvm'), { message: 'open /dev/no-kvm gave ENOENT' })
})

kvmTest('the system says its version, its capabilities and what a guest cpuid may show', (t) => {
  using kvm = KvmSystem.open()
  t.is(kvm.apiVersion(), KVM_API_VERSION)
  t.is(kvm.checkExtension(CAP.KVM_CAP_USER_MEMORY), 1)
  t.true(kvm.checkExtension(CAP.KVM_CAP_NR_MEMSLOTS) >= 32)
  t.true(kvm.vcpuMmapSize() >= 8192)
  t.true(kvm.supportedCpuid().some((entry) => entry.function === 0x8000_0001))
  const msrs = kvm.msrIndexList()
  t.true(msrs.includes(0x10), 'the time stamp counter can be saved')
  t.is(new Set(msrs).size, msrs.length)
})

guestTest('a byte goes out through a port', [...movAl(0x41), ...outByte(0x10), ...HLT], (t, { vcpu }) => {
  t.is(vcpu.run(), 'exit')
  t.like(vcpu.exit(), { kind: 'io', direction: 'out', port: 0x10, data: Uint8Array.of(0x41) })
  runTo(vcpu, 'hlt')
})

guestTest('a byte comes in through a port', [...inByte(0x11), ...storeAl(0x8000), ...HLT], (t, { vcpu, memory }) => {
  const exit = runTo(vcpu, 'io') as Extract<VcpuExit, { kind: 'io' }>
  t.is(exit.direction, 'in')
  exit.data[0] = 0x5a
  runTo(vcpu, 'hlt')
  t.is(memory[0x8000], 0x5a)
})

// mov ax, 0x1000; mov ds, ax; mov al, [0x10]; mov [0x20], al; hlt
const BEYOND_MEMORY = [0xb8, 0x00, 0x10, 0x8e, 0xd8, 0xa0, 0x10, 0x00, 0xa2, 0x20, 0x00, 0xf4]
guestTest('an access outside memory is one to a device', BEYOND_MEMORY, (t, { vcpu }) => {
  const read = runTo(vcpu, 'mmioRead') as Extract<VcpuExit, { kind: 'mmioRead' }>
  t.is(read.gpa, MEMORY_SIZE + 0x10)
  read.data[0] = 0x77
  t.like(runTo(vcpu, 'mmioWrite'), { gpa: MEMORY_SIZE + 0x20, data: Uint8Array.of(0x77) })
  runTo(vcpu, 'hlt')
})

// cld; mov si, 0x2000; mov cx, 3; mov dx, 0x10; rep outsb; hlt
const STRING_OUT = [0xfc, 0xbe, 0x00, 0x20, 0xb9, 0x03, 0x00, 0xba, 0x10, 0x00, 0xf3, 0x6e, 0xf4]
guestTest('a string instruction brings all its bytes, in one exit or in several', STRING_OUT, (t, { vcpu, memory }) => {
  memory.set(Buffer.from('abc'), 0x2000)
  let seen = ''
  for (let step = 0; step < 10; step++) {
    vcpu.run()
    const exit = vcpu.exit()
    if (exit.kind !== 'io') break
    t.is(exit.data.length, exit.size * exit.count)
    seen += Buffer.from(exit.data).toString()
  }
  t.is(seen, 'abc')
})

guestTest('what was set is what is read, for every kind of state', HLT, (t, { vm, vcpu }) => {
  vcpu.setRegs({ ...vcpu.getRegs(), rbx: 2n ** 64n - 1n, r15: 0x1234_5678_9abc_def0n })
  t.like(vcpu.getRegs(), { rbx: 2n ** 64n - 1n, r15: 0x1234_5678_9abc_def0n, rip: 0x1000n })
  const fpu = vcpu.getFpu()
  vcpu.setFpu({ ...fpu, mxcsr: 0x1f80, xmm: fpu.xmm.map((bytes, index) => bytes.fill(index)) })
  t.deepEqual(vcpu.getFpu().xmm[7], new Uint8Array(16).fill(7))
  const xsave = vcpu.getXsave()
  t.true(xsave.length >= 4096)
  vcpu.setXsave(xsave)
  t.deepEqual(vcpu.getXsave(), xsave)
  t.throws(() => vcpu.setXsave(new Uint8Array(8)), { instanceOf: RangeError })
  using kvm = KvmSystem.open()
  if (kvm.checkExtension(CAP.KVM_CAP_XCRS) > 0) {
    const xcrs = vcpu.getXcrs()
    vcpu.setXcrs(xcrs)
    t.deepEqual(vcpu.getXcrs(), xcrs)
  }
  const events = vcpu.getVcpuEvents()
  vcpu.setVcpuEvents(events)
  t.deepEqual(vcpu.getVcpuEvents(), events)
  vcpu.setDebugregs({ ...vcpu.getDebugregs(), db: [1n, 2n, 3n, 4n] })
  t.deepEqual(vcpu.getDebugregs().db, [1n, 2n, 3n, 4n])
  t.is(vcpu.getMpState(), c.KVM_MP_STATE_RUNNABLE)
  t.true(vcpu.getTscKhz() > 0)
  const clock = vm.getClock().clock
  vm.setClock({ clock: clock + 10n ** 12n })
  t.true(vm.getClock().clock >= clock + 10n ** 12n)
})

guestTest('MSRs are set and read by number, and the first unknown one ends the list', HLT, (t, { vcpu }) => {
  const LSTAR = 0xc000_0082
  t.is(vcpu.setMsrs([{ index: LSTAR, data: 0xffff_8000_0000_1000n }]), 1)
  t.like(vcpu.getMsrs([LSTAR]), [{ index: LSTAR, data: 0xffff_8000_0000_1000n }])
  t.is(vcpu.getMsrs([LSTAR, 0x4567_89ab, LSTAR]).length, 1)
})

guestTest('the cpuid table that was set is the one that is read', HLT, (t, { vcpu }) => {
  using kvm = KvmSystem.open()
  const entries = kvm.supportedCpuid()
  vcpu.setCpuid2(entries)
  t.is(vcpu.getCpuid2().length, entries.length)
})

// mov ecx, 0x456789ab; rdmsr; out 0x10, al; wrmsr; hlt
const UNKNOWN_MSR = [0x66, 0xb9, 0xab, 0x89, 0x67, 0x45, 0x0f, 0x32, ...outByte(0x10), 0x0f, 0x30, ...HLT]
const KVM_MSR_EXIT_REASON_UNKNOWN = 2
guestTest('an MSR that KVM does not know is read and written in user space', UNKNOWN_MSR, (t, { vm, vcpu }) => {
  vm.enableCap(CAP.KVM_CAP_X86_USER_SPACE_MSR, BigInt(KVM_MSR_EXIT_REASON_UNKNOWN))
  vcpu.run()
  t.like(vcpu.exit(), { kind: 'rdmsr', index: 0x4567_89ab, msrReason: KVM_MSR_EXIT_REASON_UNKNOWN })
  vcpu.answerMsr(0x11_0000_0042n)
  vcpu.run()
  t.like(vcpu.exit(), { kind: 'io', port: 0x10, data: Uint8Array.of(0x42) })
  t.like(runTo(vcpu, 'wrmsr'), { index: 0x4567_89ab, value: 0x11_0000_0042n })
  vcpu.answerMsr(0n)
  runTo(vcpu, 'hlt')
})

guestTest('a guest is stepped one instruction at a time', [0x90, 0x90, ...HLT], (t, { vcpu }) => {
  const debugreg = Array<bigint>(8).fill(0n)
  vcpu.setGuestDebug({ control: c.KVM_GUESTDBG_ENABLE | c.KVM_GUESTDBG_SINGLESTEP, arch: { debugreg } })
  vcpu.run()
  t.like(vcpu.exit(), { kind: 'debug', exception: 1, pc: 0x1001n })
  vcpu.run()
  t.like(vcpu.exit(), { kind: 'debug', pc: 0x1002n })
})

guestTest('a linear address is translated as the guest would', HLT, (t, { vcpu }) => {
  t.like(vcpu.translate(0x1234n), { valid: true, physicalAddress: 0x1234n })
})

kvmTest('interrupt controllers and timer keep what was set', (t) => {
  const prepare = (vm: RealModeGuest['vm']) => {
    vm.setTssAddr(0xfffb_d000)
    vm.setIdentityMapAddr(0xfffb_c000)
    vm.createIrqchip()
    vm.createPit2()
  }
  const { vm, vcpu, close } = realModeGuest(HLT, { prepare })
  const ioapic = vm.getIrqchip(c.KVM_IRQCHIP_IOAPIC)
  t.is(ioapic.length, 512)
  vm.setIrqchip(c.KVM_IRQCHIP_IOAPIC, ioapic)
  t.deepEqual(vm.getIrqchip(c.KVM_IRQCHIP_IOAPIC), ioapic)
  const lapic = vcpu.getLapic()
  t.is(lapic.length, 1024)
  vcpu.setLapic(lapic)
  vm.setPit2(vm.getPit2())
  vm.irqLine(4, 1)
  vm.irqLine(4, 0)
  t.notThrows(() => vm.signalMsi({ address: 0xfee0_0000n, data: 0x31 }))
  vcpu.setMpState(c.KVM_MP_STATE_HALTED)
  t.is(vcpu.getMpState(), c.KVM_MP_STATE_HALTED)
  vcpu.nmi()
  t.true(vcpu.getVcpuEvents().nmi.pending + vcpu.getVcpuEvents().nmi.injected > 0)
  close()
})

kvmTest('a write to an irqfd raises its interrupt', async (t) => {
  const { vm, close } = realModeGuest(HLT, { prepare: (vm) => vm.createIrqchip() })
  // The edge stays in the controller's request register, since this guest never takes it.
  const requested = () => picState.decode(vm.getIrqchip(c.KVM_IRQCHIP_PIC_MASTER)).irr
  const fd = ffi.eventfd(0, c.EFD_NONBLOCK)
  vm.irqfd({ fd, gsi: 5 })
  t.throws(() => vm.irqfd({ fd, gsi: 5 }), { message: 'ioctl KVM_IRQFD gave EBUSY' })
  t.is(requested(), 0)
  ffi.eventfdWrite(fd, 1n)
  for (let tries = 0; tries < 100 && requested() === 0; tries++) await sleep(5) // the kernel may defer it
  t.is(requested(), 1 << 5)

  vm.irqfd({ fd, gsi: 5, flags: c.KVM_IRQFD_FLAG_DEASSIGN })
  t.notThrows(() => vm.irqfd({ fd, gsi: 6 }))
  close()
  ffi.close(fd)
})

const NOTIFY_THEN_HALT = [...movAl(7), ...outByte(0x20), ...movAl(8), ...outByte(0x20), ...HLT]
guestTest(
  'a write that an ioeventfd waits for stays in the kernel and is counted',
  NOTIFY_THEN_HALT,
  (t, { vm, vcpu }) => {
    const fd = ffi.eventfd(0, c.EFD_NONBLOCK)
    vm.ioeventfd({ addr: 0x20n, len: 1, fd, datamatch: 7n, flags: c.KVM_IOEVENTFD_FLAG_PIO })
    t.is(vcpu.run(), 'exit')
    t.like(vcpu.exit(), { kind: 'io', port: 0x20, data: Uint8Array.of(8) })
    t.is(ffi.eventfdRead(fd), 1n)
    ffi.close(fd)
  },
)

kvmTest('the dirty log names the pages that were written since the last one', (t) => {
  const { vm, vcpu, close } = realModeGuest([...movAl(1), ...storeAl(0x8000), ...HLT], {
    flags: c.KVM_MEM_LOG_DIRTY_PAGES,
  })
  runTo(vcpu, 'hlt')
  const log = vm.getDirtyLog(0, BigInt(MEMORY_SIZE))
  // Page 1 holds the code: a KVM that maps it writable when it is first fetched from counts it as written.
  t.deepEqual([log[0]! & ~0b10, ...log.subarray(1)], [0, 1, 0, 0, 0, 0, 0, 0])
  t.deepEqual([...vm.getDirtyLog(0, BigInt(MEMORY_SIZE))], Array(8).fill(0))
  close()
})

guestTest('immediate_exit ends a run before the guest moves', FOREVER, (t, { vcpu }) => {
  vcpu.immediateExit = true
  t.true(vcpu.immediateExit)
  t.is(vcpu.run(), 'interrupted')
  t.is(vcpu.getRegs().rip, 0x1000n)
})

const runAsync = (vcpu: VcpuFd) =>
  new Promise<RunOutcome>((resolve, reject) => {
    vcpu.runAsync((outcome, error) => (error ? reject(error) : resolve(outcome)))
  })

guestTest('a run on a pool thread ends on the event loop', [...outByte(0x10), ...HLT], async (t, { vcpu }) => {
  t.is(await runAsync(vcpu), 'exit')
  t.like(vcpu.exit(), { kind: 'io', port: 0x10 })
  t.is(await runAsync(vcpu), 'exit')
  t.is(vcpu.exit().kind, 'hlt')
})

guestTest(
  'an endless loop on a pool thread is kicked out, and the vCPU is not closed before',
  FOREVER,
  async (t, { vcpu }) => {
    const signal = 38
    ffi.installNoopHandler(signal)
    const running = runAsync(vcpu)
    try {
      for (const call of [() => vcpu.runAsync(() => {}), () => vcpu.run(), () => vcpu.exit(), () => vcpu.close()]) {
        t.throws(call, { message: /^Cannot .* vcpu 0: a thread is inside KVM_RUN; kick it first\.$/ })
      }
      await sleep(20)
    } finally {
      vcpu.immediateExit = true
      signalAllThreads(signal)
    }
    t.is(await running, 'interrupted')
  },
)

guestTest(
  'another thread runs a vCPU that it was told by value',
  [...movAl(9), ...outByte(0x33), ...HLT],
  async (t, { vcpu }) => {
    const module = JSON.stringify(new URL('../../kvm-bindings/vcpu-fd.js', import.meta.url).href)
    const script = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(${module}).then(({ VcpuFd }) => {
      const vcpu = VcpuFd.adopt(workerData)
      vcpu.run()
      const { port, data } = vcpu.exit()
      vcpu.close()
      parentPort.postMessage({ port, data: [...data] })
    })`
    const { fd, id, runPageAddress, runPageSize } = vcpu
    const worker = new Worker(script, { eval: true, workerData: { fd, id, runPageAddress, runPageSize } })
    t.deepEqual(await once(worker, 'message'), [{ port: 0x33, data: [9] }])
    await worker.terminate()
    runTo(vcpu, 'hlt') // still open: the adopted object's close left it alone
  },
)

kvmTest('a closed vCPU refuses every use of its page', (t) => {
  const { vcpu, close } = realModeGuest(HLT)
  const kick = () => {
    vcpu.immediateExit = true
  }
  close()
  for (const call of [() => vcpu.run(), () => vcpu.exit(), () => vcpu.runPage, () => vcpu.answerMsr(0n), kick]) {
    t.throws(call, { message: /^Cannot .* vcpu 0: it is closed\.$/ })
  }
})

kvmTestSerial('a guest gives back every descriptor, and closing twice is harmless', (t) => {
  realModeGuest(HLT).close()
  const before = openFds()
  for (let round = 0; round < 5; round++) {
    const guest = realModeGuest(HLT)
    guest.vcpu.close()
    guest.close()
    guest.vm.close()
  }
  t.is(openFds(), before)
})

kvmTestSerial('a vCPU that cannot be made leaves no descriptor behind', (t) => {
  const guest = realModeGuest(HLT)
  const before = openFds()
  t.throws(() => guest.vm.createVcpu(0), { message: 'ioctl KVM_CREATE_VCPU gave EEXIST' })
  t.is(openFds(), before)
  guest.close()
})
