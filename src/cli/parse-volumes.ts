/** `-v SRC:DST[:ro]`, as often as wanted: directories of the host, seen inside at another path. */
import { posix } from 'node:path'
import { UsageError } from '../errors.ts'
import type { Isolation, VolumeSpec } from '../instance/run-spec.ts'
import { checkVolumeSource } from '../instance/volume-source.ts'

/** Each is a device of a microVM, which has room for few. */
const MOST_VOLUMES = 8
const MOST_WITH_DISKS = 12
/** Made by every level itself. */
const OWN_TREES = ['/proc', '/sys', '/dev'] as const
/** What may stand behind the second colon. docker knows more, most of it about SELinux. */
const MODES = ['rw', 'ro'] as const

/** Outer directories first: what is mounted later would hide them otherwise. @param disks how many there are beside */
export function parseVolumes(asked: readonly string[], isolation: Isolation, disks = 0): readonly VolumeSpec[] {
  if (asked.length > 0 && isolation === 'unikernel') {
    throw new UsageError(
      `Cannot share ${sourceOf(asked[0]!)} with a unikernel: its files are in its own memory, and our kernel there has no driver for others.`,
      {
        hint: 'Use --isolation microvm or container; a unikernel takes its files by --rootfs DIR or --disk FILE.',
      },
    )
  }
  if (asked.length > MOST_VOLUMES) {
    throw new UsageError(`Cannot share ${asked.length} directories: there is room for ${MOST_VOLUMES}.`, {
      hint: 'Share a directory that holds several of them.',
    })
  }
  if (asked.length + disks > MOST_WITH_DISKS) {
    throw new UsageError(
      `Cannot share ${asked.length} directories beside ${disks} disks: there is room for ${MOST_WITH_DISKS} of both.`,
    )
  }
  const volumes = asked.map(parseVolume)
  const targets = volumes.map(({ target }) => target)
  const twice = targets.find((target, index) => targets.indexOf(target) !== index)
  if (twice !== undefined) throw refused(twice, 'two volumes cannot be at the same place')
  for (const volume of volumes) checkVolumeSource(volume)
  return volumes.sort((a, b) => depth(a.target) - depth(b.target))
}

function parseVolume(text: string): VolumeSpec {
  // The last colon before a slash parts them: a source may have colons of its own.
  const parts = /^(?<source>.+):(?<target>\/[^:]*)(?::(?<mode>[^:]*))?$/s.exec(text)?.groups
  if (!parts) {
    throw refused(
      text,
      'it does not say what is to be seen where',
      'Write -v SRC:DST or -v SRC:DST:ro; DST begins with "/".',
    )
  }
  const { source = '', target: asked = '', mode = 'rw' } = parts
  if (!MODES.some((known) => known === mode)) {
    throw refused(text, `there is no option "${mode}"`, 'Behind DST there may be :ro or :rw.')
  }
  return { source: posix.resolve(source), target: checkTarget(text, asked), readOnly: mode === 'ro' }
}

function checkTarget(text: string, asked: string): string {
  if (asked.split('/').includes('..')) throw refused(text, 'the path inside must not lead upwards by ".."')
  const target = posix.resolve(asked)
  if (target === '/') {
    throw refused(text, 'a volume cannot be the whole root inside', 'For that there is --rootfs DIR.')
  }
  const own = OWN_TREES.find((tree) => target === tree || target.startsWith(`${tree}/`))
  if (own) throw refused(text, `${own} inside is the kernel's`, 'Choose another place.')
  return target
}

const sourceOf = (text: string): string => /^(.*?):/s.exec(text)?.[1] ?? text
const depth = (path: string): number => path.split('/').length

const refused = (text: string, reason: string, hint?: string): UsageError =>
  new UsageError(`Cannot share "${text}": ${reason}.`, hint === undefined ? {} : { hint })
