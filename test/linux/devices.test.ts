/**
 * Linux's own drivers and our devices, under load: fio with verification, iperf3, streams over vsock, memory given and
 * taken back. In full where guest kernel mode is run as it is (the SVM lab among them), a little of each where it is emulated.
 */
import { existsSync } from 'node:fs'
import { exercise } from '../helpers/exercise.ts'
import { kernelModeEmulated as emulated, microvmTest } from '../helpers/microvm.ts'
import { whyNoTaps } from '../helpers/taps.ts'

const MIB = 2 ** 20
const taps = whyNoTaps() === undefined
const loads = ['/usr/bin/fio', '/usr/bin/iperf3'].filter((path) => !emulated && existsSync(path))
const DEVICES = ['disk', ...(taps ? (['net'] as const) : []), 'vsock', 'balloon', 'rng'] as const

microvmTest(`Linux's drivers and every device agree${emulated ? ', a little of each' : ''}`, async (t, kernel) => {
  await exercise(t, {
    devices: DEVICES,
    ...(emulated
      ? { diskBytes: MIB / 2, rounds: 20, streamBytes: 32 * 1024, memoryMib: 128 }
      : { diskBytes: 8 * MIB, rounds: 800, streamBytes: MIB, memoryMib: 256 }),
    ...{ loads, options: kernel.options(t) },
  })
})

if (!emulated) {
  microvmTest("Linux's drivers and every device agree, on two processors", async (t, kernel) => {
    await exercise(t, {
      ...{ devices: DEVICES, diskBytes: 4 * MIB, rounds: 300, streamBytes: MIB / 2, memoryMib: 256, cpus: 2 },
      ...{ loads, options: kernel.options(t) },
    })
  })
}
