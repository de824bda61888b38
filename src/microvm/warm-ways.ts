/** Which snapshots of a booted guest a run may go on from, and leave behind. */
import type { FileSource } from '../instance/run-spec.ts'
import { agentPath } from '../paths.ts'
import { hostStamp } from '../snapshot/host-check.ts'
import type { GuestOrder } from './guest.ts'
import type { WarmWays } from './guest-start.ts'
import { findModules, modulesStamp } from './kernel-modules.ts'
import { programFiles } from './program-files.ts'
import { warmStart } from './warm.ts'
import { warmKey } from './warm-key.ts'

export function warmWays(
  { spec, linux, image }: GuestOrder,
  source: FileSource,
  log: (line: string) => void,
): WarmWays {
  const { initrd } = spec
  const index = linux.flavour === 'foreign' && initrd === undefined ? findModules(linux.path) : undefined
  const modules = index && modulesStamp(index)
  const parts = [agentPath, ...(initrd === undefined ? [] : [initrd])]
  const facts = { spec, digest: linux.digest, files: parts, modules, host: hostStamp() }
  const files = programFiles(source, spec)
  const way = (key: string | undefined) => (key === undefined ? undefined : warmStart(key, log))
  return { booted: way(warmKey(facts)), rooted: way(warmKey({ ...facts, root: [image, ...files] })), files }
}
