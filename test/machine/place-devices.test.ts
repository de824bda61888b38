import test from 'ava'
import type { VmFd } from '../../kvm-bindings/vm-fd.ts'
import { createBufferSink } from '../../src/backends/buffer-stream.ts'
import type { Reactor } from '../../src/backends/reactor.ts'
import { placeDevices } from '../../src/machine/place-devices.ts'
import { createGuardedMemory } from '../helpers/guarded-memory.ts'
import { createProbeDevice } from '../helpers/probe-device.ts'

test('a machine that cannot be made after all takes its devices away from the guest before the memory goes', (t) => {
  const order: string[] = []
  const releases = [() => order.push('memory')]
  const device = createProbeDevice()
  device.reset = () => order.push('reset')
  const nothing = () => {}
  placeDevices(
    { devices: [device], serial: { sink: createBufferSink() } },
    {
      vm: { ioeventfd: nothing, irqfd: nothing, registerCoalescedMmio: nothing } as unknown as VmFd,
      memory: createGuardedMemory().memory,
      reactor: { watchEventfd: nothing, unwatch: nothing } as unknown as Reactor,
      releases,
      finish: nothing,
      settle: nothing,
      registerPages: undefined,
    },
  )
  for (const release of releases.reverse()) release()
  t.deepEqual(order, ['reset', 'memory'])
})
