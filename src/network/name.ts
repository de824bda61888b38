/** Names of networks, and where their records are: light, for whoever only needs to know which there are. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../errors.ts'
import { stateRoots } from '../instance/state-root.ts'

/** A name is a directory and a word on a command line. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/
/** `--net` gives these another meaning, here or in docker. */
const RESERVED = ['none', 'host', 'bridge', 'default', 'container']

export const isNetworkName = (text: string): boolean => NAME.test(text) && !RESERVED.includes(text)

/** @throws UsageError */
export function checkNetworkName(text: string): string {
  if (isNetworkName(text)) return text
  const why = RESERVED.includes(text) ? ': the word has a meaning of its own' : ''
  throw new UsageError(`Cannot use ${JSON.stringify(text.slice(0, 80))} as the name of a network${why}.`, {
    hint: 'Use letters, digits, "_", "." and "-", starting with a letter or digit, at most 63 of them.',
  })
}

/** Networks outlive a boot, though their bridges do not: the record says what to make again. */
export const networksDirectory = (): string => join(stateRoots().data, 'networks')

/** By their records; reads, and makes nothing. */
export function networkNames(directory = networksDirectory()): string[] {
  try {
    return readdirSync(directory).filter(isNetworkName).sort()
  } catch {
    return []
  }
}
