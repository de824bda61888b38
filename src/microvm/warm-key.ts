/**
 * What a snapshot of a booted guest depends on: another kernel, agent, VMM, host or shape of the machine needs another
 * one. What a guest is given after its boot (files, program, name, addresses, time) is not among it.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { RunSpec } from '../instance/run-spec.ts'

/** Other versions of what is done between boot and program. */
const FORM = 'warm/1'

export interface WarmFacts {
  readonly spec: RunSpec
  /** Of its kernel. */
  readonly digest: string
  /** What else of the host it was booted from. */
  readonly files: readonly string[]
  /** Of the modules that its kernel loads. */
  readonly modules?: string | undefined
  /** With its root mounted and these files of it read: where the image is, and their names. */
  readonly root?: readonly string[]
  /** This host since its boot, and its KVM. */
  readonly host: string
}

/**
 * Undefined where a guest cannot go on from a boot that was another's: a card on a tap of the user's own would keep
 * that one's address.
 */
export function warmKey({ spec, digest, files, modules, root, host }: WarmFacts): string | undefined {
  const { cold, trace, disks = [], network, volumes = [], memoryBytes, cpus, append } = spec
  if (cold || trace || network?.kind === 'tap') return undefined
  const contents = [...files, fileURLToPath(import.meta.url)].map(contentOf)
  // Whoever boots from it says what is wrong with it.
  if (contents.includes(undefined)) return undefined
  const facts = {
    form: FORM,
    host,
    memoryBytes,
    cpus,
    append,
    digest,
    modules,
    root,
    network: network?.kind === 'network',
    volumes: volumes.length,
    disks: disks.map(({ readOnly }) => readOnly),
    files: contents,
  }
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 40)
}

/** Its path does not matter, and a file made anew may be the same. Undefined when it cannot be read. */
function contentOf(path: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex')
  } catch {
    return undefined
  }
}
