/**
 * The number by which a guest knows that it was copied or went back in time: 16 random bytes, others in each life of
 * the VM. Its random number generator and whatever must be unique start afresh then. Virtual Machine Generation ID
 * specification; the device that tells of a change is in src/boot/acpi/dsdt.ts.
 */
import { hostRandom } from '../backends/random-source.ts'
import type { GuestMemory } from '../memory/guest-memory.ts'
import { GENERATION_ID_GPA } from '../memory/memory-map.ts'

const SIZE = 16

export function writeGeneration(memory: GuestMemory): void {
  hostRandom.fill(memory.bytes(GENERATION_ID_GPA, SIZE))
}
