/** Paths inside that are not of the root but of a directory of the host that is mounted there. */
import { posix } from 'node:path'
import type { VolumeSpec } from '../instance/run-spec.ts'

/** @param path absolute, inside @param volumes outer ones first @returns where on the host it is; undefined when it is in no volume */
export function pathInVolume(path: string, volumes: readonly VolumeSpec[]): string | undefined {
  const volume = volumes.filter(({ target }) => `${path}/`.startsWith(`${target}/`)).at(-1)
  return volume && posix.join(volume.source, path.slice(volume.target.length))
}
