/** Tells images that have a format of their own from raw ones. A guest can write any header on its disk: good for a note alone. */
import { closeSync, constants, openSync, readSync } from 'node:fs'

/** What their first bytes are. */
const FORMATS: readonly (readonly [name: string, start: string])[] = [
  ['qcow2', 'QFI\xfb'],
  ['vmdk', 'KDMV'],
  ['vmdk', '# Disk DescriptorFile'],
  ['vdi', '<<< '],
  ['vhdx', 'vhdxfile'],
  ['vhd', 'conectix'],
]

/** As `qemu-img` calls it; undefined for what seems to be raw. */
export function foreignFormat(path: string): string | undefined {
  const start = Buffer.alloc(24)
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch {
    return undefined
  }
  try {
    readSync(fd, start)
    return FORMATS.find(([, bytes]) => start.toString('latin1').startsWith(bytes))?.[0]
  } catch {
    return undefined
  } finally {
    closeSync(fd)
  }
}
