/** Processes of this host, by a word that nobody else's command line has. */
import { readdirSync, readFileSync } from 'node:fs'
import { hasEnded } from '../../src/host/process-status.ts'

export const livingWith = (word: string): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && commandLineOf(pid).includes(word) && !hasEnded(pid))

export function commandLineOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}

/** Those that still live after two seconds, by their command lines. */
export async function stillLiving(words: readonly string[]): Promise<string[]> {
  const left = () => words.flatMap(livingWith)
  for (let patience = 200; left().length > 0 && patience > 0; patience--) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return left().map(commandLineOf)
}
