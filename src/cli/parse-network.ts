/** `--net NETWORK|tap:NAME|none`. */
import type { Isolation, NetworkSpec } from '../instance/run-spec.ts'

export function parseNetwork(asked: string, _isolation: Isolation): NetworkSpec {
  if (asked === 'none') return { kind: 'none' }
  return asked.startsWith('tap:') ? { kind: 'tap', name: asked.slice(4) } : { kind: 'network', name: asked }
}
