/** Which boot of the host this is: what was found out about its kernel holds until the next one. random(4) */
import { readFileSync } from 'node:fs'

export const bootId = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
