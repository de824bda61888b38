import type { ExecutionContext } from 'ava'
import { KVM_IRQCHIP_IOAPIC, KVM_MP_STATE_HALTED, KVM_PIT_SPEAKER_DUMMY } from '../../kvm-bindings/constants.ts'
import { pitState2 } from '../../kvm-bindings/structs/irqchip.ts'
import type { VcpuFd } from '../../kvm-bindings/vcpu-fd.ts'
import { HostError } from '../../src/errors.ts'
import { restoreVmState, saveVmState } from '../../src/machine/vm-state.ts'
import type { Json, JsonObject } from '../../src/virtio/saved-state.ts'
import { kvmTestSerial } from '../helpers/kvm.ts'
import { realModeGuest } from '../kvm-bindings/real-mode-guest.ts'

/** Programs the PIC and the interval timer, then counts in AL and tells each number on a port. */
const COUNTER = [
  ...[0xb0, 0x5a, 0xe6, 0x21], // mov al, 0x5a; out 0x21, al: the first controller's mask
  ...[0xb0, 0xb6, 0xe6, 0x43], // mov al, 0xb6; out 0x43, al: channel 2, square wave
  ...[0xb0, 0x34, 0xe6, 0x42], // mov al, 0x34; out 0x42, al
  ...[0xb0, 0x12, 0xe6, 0x42], // mov al, 0x12; out 0x42, al
  ...[0xb0, 0x00], // mov al, 0
  ...[0xfe, 0xc0], // inc al
  ...[0xe6, 0x80], // out 0x80, al
  ...[0xeb, 0xfa], // jmp to inc
]
const SYSENTER_EIP = 0x176
const TSC = 0x10
const SECOND = 1_000_000_000n

function counterVm() {
  const guest = realModeGuest(COUNTER, {
    prepare(vm) {
      vm.createIrqchip()
      vm.createPit2(KVM_PIT_SPEAKER_DUMMY)
    },
  })
  const second = guest.vm.createVcpu(1)
  const parts = { vm: guest.vm, vcpus: [guest.vcpu, second], pit: true }
  return {
    ...parts,
    parts,
    memory: guest.memory,
    close() {
      second.close()
      guest.close()
    },
  }
}

/** What it tells in its next exits; the last of them is complete afterwards. */
function numbers(vcpu: VcpuFd, count: number): number[] {
  const told: number[] = []
  while (told.length < count) {
    vcpu.run()
    const exit = vcpu.exit()
    if (exit.kind === 'io') told.push(exit.data[0]!)
  }
  vcpu.immediateExit = true
  vcpu.run()
  vcpu.immediateExit = false
  return told
}

function stateTest(title: string, body: (t: ExecutionContext, from: VmPair, to: VmPair) => void): void {
  kvmTestSerial(title, (t) => {
    const from = counterVm()
    const to = counterVm()
    try {
      body(t, from, to)
    } finally {
      to.close()
      from.close()
    }
  })
}
type VmPair = ReturnType<typeof counterVm>

/** As a file would give it back. */
const stored = (state: JsonObject): JsonObject => JSON.parse(JSON.stringify(state)) as JsonObject

stateTest('a VM goes on in another one where it was saved: registers, controllers, timer', (t, from, to) => {
  t.deepEqual(numbers(from.vcpus[0]!, 10), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  from.vcpus[0]!.setMsrs([{ index: SYSENTER_EIP, data: 0x1234_5678n }])
  const chip = from.vm.getIrqchip(KVM_IRQCHIP_IOAPIC)
  chip[24] = 0x31
  from.vm.setIrqchip(KVM_IRQCHIP_IOAPIC, chip)
  const state = stored(saveVmState(from.parts))

  restoreVmState(to.parts, state)
  to.memory.set(from.memory)
  t.is(to.vcpus[0]!.getMsrs([SYSENTER_EIP])[0]?.data, 0x1234_5678n)
  t.deepEqual(to.vm.getIrqchip(KVM_IRQCHIP_IOAPIC), chip)
  const [, , channel] = to.vm.getPit2().channels
  t.is(channel!.count, 0x1234)
  t.is(channel!.mode, 3)
  t.deepEqual(numbers(to.vcpus[0]!, 3), [11, 12, 13])
})

stateTest('what is restored is what is saved again, all but the time', (t, from, to) => {
  numbers(from.vcpus[0]!, 2)
  const state = stored(saveVmState(from.parts))
  restoreVmState(to.parts, state)
  t.deepEqual(withoutTime(stored(saveVmState(to.parts))), withoutTime(state))
})

stateTest(
  'a vCPU that was never started still waits for its start-up interrupt, one that halts still halts',
  (t, from, to) => {
    from.vcpus[0]!.setMpState(KVM_MP_STATE_HALTED)
    restoreVmState(to.parts, stored(saveVmState(from.parts)))
    t.is(to.vcpus[0]!.getMpState(), KVM_MP_STATE_HALTED)
    t.is(to.vcpus[1]!.getMpState(), from.vcpus[1]!.getMpState())
  },
)

stateTest('the clock and the TSC never go back, and the clock does not jump', (t, from, to) => {
  from.vm.setClock({ clock: 5000n * SECOND })
  const tscBefore = from.vcpus[0]!.getMsrs([TSC])[0]!.data
  const state = stored(saveVmState(from.parts))
  restoreVmState(to.parts, state)
  const { clock } = to.vm.getClock()
  t.true(clock >= 5000n * SECOND)
  t.true(clock < 5060n * SECOND)
  t.true(to.vcpus[0]!.getMsrs([TSC])[0]!.data >= tscBefore)
})

stateTest(
  'the TSC goes on at the rate that the guest knows, where this processor counts a little otherwise',
  (t, from, to) => {
    const state = stored(saveVmState(from.parts))
    const here = to.vcpus[0]!.getTscKhz()
    // Within what KVM takes without hardware for it: 250 millionths.
    const khz = here + Math.floor(here / 10_000)
    restoreVmState(to.parts, {
      ...state,
      vcpus: (state.vcpus as JsonObject[]).map((vcpu) => ({ ...vcpu, tscKhz: khz })),
    })
    t.deepEqual(
      to.vcpus.map((vcpu) => vcpu.getTscKhz()),
      [khz, khz],
    )
  },
)

stateTest('a clock for which the time has passed runs on from the time of day it was saved at', (t, from, to) => {
  from.vm.setClock({ clock: 5000n * SECOND })
  const state = stored(saveVmState(from.parts))
  if (state.realtime === null) return t.pass('this KVM does not say the time of day')
  const anHourAgo = BigInt(state.realtime as string) - 3600n * SECOND
  restoreVmState(to.parts, { ...state, realtime: `0x${anHourAgo.toString(16)}` }, { elapsed: true })
  const { clock } = to.vm.getClock()
  t.true(clock >= 8600n * SECOND)
  t.true(clock < 8660n * SECOND)
})

stateTest('the state of another VM, a damaged one or none at all is refused by name', (t, from, to) => {
  const state = stored(saveVmState(from.parts))
  const [first, second] = state.vcpus as JsonObject[]
  const cases: [Json, RegExp][] = [
    [null, /VM/],
    [{}, /vcpus/],
    [{ ...state, vcpus: [first!] }, /1 vCPUs, this VM 2/],
    [{ ...state, vcpus: [first!, { ...second!, mpState: 99 }] }, /vCPU 1.*mpState/],
    [{ ...state, vcpus: [{ ...first!, tscKhz: 'fast' }, second!] }, /vCPU 0.*tscKhz/],
    [{ ...state, vcpus: [{ ...first!, regs: 'AAAA' }, second!] }, /vCPU 0.*regs/],
    [{ ...state, vcpus: [{ ...first!, xsave: '' }, second!] }, /xsave/],
    [{ ...state, vcpus: [{ ...first!, lapic: 7 }, second!] }, /lapic/],
    [{ ...state, vcpus: [{ ...first!, msrs: [[0xdead, '0x0']] }, second!] }, /msrs/],
    [{ ...state, vcpus: [{ ...first!, msrs: [[TSC, 'now']] }, second!] }, /msrs/],
    [{ ...state, vcpus: [{ ...first!, msrs: Array(1000).fill([TSC, '0x1']) }, second!] }, /msrs/],
    [{ ...state, irqchips: ['', '', ''] }, /interrupt controllers/],
    [{ ...state, pit: null }, /no interval timer/],
    [{ ...state, pit: 'AAAA' }, /interval timer/],
    [{ ...state, clock: 'noon' }, /clock/],
  ]
  for (const [damaged, message] of cases) {
    t.throws(
      () => restoreVmState(to.parts, damaged),
      { instanceOf: HostError, message },
      JSON.stringify(message.source),
    )
  }
})

/** Time passes between two looks, and a timer's start is counted in the host's. */
function withoutTime(state: JsonObject): JsonObject {
  const pit = pitState2.decode(new Uint8Array(Buffer.from(state.pit as string, 'base64')))
  return {
    ...state,
    clock: null,
    realtime: null,
    pit: pit.channels.map(({ count_load_time: _, ...channel }) => ({ ...channel })) as Json,
    vcpus: (state.vcpus as JsonObject[]).map((vcpu) => ({
      ...vcpu,
      msrs: (vcpu.msrs as [number, string][]).filter(([index]) => index !== TSC),
    })),
  }
}
