/**
 * What a shell may offer at the cursor, read off the same rows that parse the command line. Every shell asks here by
 * `cloister __complete -- WORDS`; its script knows how to show an answer and nothing about commands.
 */
import type { Command, Completes, OptionRow } from '../command.ts'
import { type Cursor, readCursor } from './cursor.ts'

export interface Candidate {
  readonly word: string
  readonly describe?: string
}

/** Words, all of them fitting what is typed; or that the shell is to look for paths. */
export interface Offer {
  readonly candidates: readonly Candidate[]
  readonly paths?: 'file' | 'directory'
}

export interface Surroundings {
  readonly commands: readonly Command[]
  /** Instances on record whose name begins so, only those in one of the states where some are named. */
  readonly instances: (begin: string, states?: readonly string[]) => readonly Candidate[]
  readonly networks?: () => readonly Candidate[]
  readonly snapshots?: () => readonly Candidate[]
}

const NOTHING: Offer = { candidates: [] }

/** @param words what was typed after `cloister`; the last one, which may be empty, is the one to complete. */
export function complete(words: readonly string[], surroundings: Surroundings): Offer {
  const current = words.at(-1) ?? ''
  const offer = offerAt(words.slice(0, -1), current, surroundings)
  return { ...offer, candidates: offer.candidates.filter(({ word }) => word.startsWith(current)) }
}

function offerAt(before: readonly string[], current: string, surroundings: Surroundings): Offer {
  const [name, ...rest] = before
  if (name === undefined) return current.startsWith('-') ? TOP_OPTIONS : commandNames(surroundings.commands)
  const { commands } = surroundings
  const [second, ...others] = rest
  const members = commands.filter((candidate) => candidate.name.startsWith(`${name} `))
  if (members.length > 0) {
    if (second === undefined) return commandNames(members, 1)
    const member = members.find((candidate) => candidate.name === `${name} ${second}`)
    return member ? withinCommand(member, readCursor(member, others), current, surroundings) : NOTHING
  }
  const command = commands.find((candidate) => candidate.name === name)
  return command === undefined ? NOTHING : withinCommand(command, readCursor(command, rest), current, surroundings)
}

function withinCommand(command: Command, cursor: Cursor, current: string, surroundings: Surroundings): Offer {
  const { wanting, optionsEnded, operands } = cursor
  if (wanting) return offerOf(completesValue(wanting), current, '', surroundings)
  if (!optionsEnded && current.startsWith('-')) {
    const equals = current.indexOf('=')
    if (equals === -1) return optionNames(command, cursor, { short: current === '-' })
    const row = command.options.find(({ name, value }) => value && current.slice(0, equals) === `--${name}`)
    const joined = current.slice(0, equals + 1)
    return row ? offerOf(completesValue(row), current.slice(equals + 1), joined, surroundings) : NOTHING
  }
  const { max, completes = command.stopsAtOperand ? 'file' : 'nothing' } = command.operands
  if (operands.length >= max) return optionsEnded ? NOTHING : optionNames(command, cursor, { short: false })
  if (command.stopsAtOperand && operands.length > 0) return { candidates: [], paths: 'file' }
  const offer = offerOf(completes, current, '', surroundings)
  return { ...offer, candidates: offer.candidates.filter(({ word }) => !operands.includes(word)) }
}

function offerOf(completes: Completes, typed: string, joined: string, surroundings: Surroundings): Offer {
  const words = (candidates: readonly Candidate[], before = joined): Offer => ({
    candidates: candidates.map((one) => ({ ...one, word: before + one.word })),
  })
  if (completes === 'nothing') return NOTHING
  if (completes === 'file' || completes === 'directory') return { candidates: [], paths: completes }
  if (completes === 'command') return words(commandNames(surroundings.commands).candidates)
  if (completes === 'network') return words(surroundings.networks?.() ?? [])
  if (completes === 'snapshot') return words(surroundings.snapshots?.() ?? [])
  if (completes === 'snapshot or instance') {
    return words([...(surroundings.snapshots?.() ?? []), ...surroundings.instances(typed, ['running', 'paused'])])
  }
  if (completes === 'instance') return words(surroundings.instances(typed))
  if ('instance' in completes) return words(surroundings.instances(typed, completes.instance))
  if ('listOf' in completes) {
    const chosen = typed.split(',').slice(0, -1)
    const left = completes.listOf.filter((word) => !chosen.includes(word))
    return words(left.map(toCandidate), joined + chosen.map((word) => `${word},`).join(''))
  }
  return words(completes.map(toCandidate))
}

const toCandidate = (word: string): Candidate => ({ word })

function completesValue({ completes, value }: OptionRow): Completes {
  if (completes !== undefined) return completes
  return value === 'FILE' ? 'file' : value === 'DIR' ? 'directory' : 'nothing'
}

function optionNames({ options }: Command, { given }: Cursor, { short: alsoShort }: { short: boolean }): Offer {
  const left = options.filter((row) => row.many || !given.has(row.name))
  return {
    candidates: left.flatMap(({ name, short, describe }) => [
      { word: `--${name}`, describe },
      ...(alsoShort && short !== undefined ? [{ word: `-${short}`, describe }] : []),
    ]),
  }
}

/** Each first word once, or the second words of one group. */
function commandNames(commands: readonly Command[], at: 0 | 1 = 0): Offer {
  const candidates = new Map<string, Candidate>()
  for (const { name, describe, hidden } of commands) {
    const words = name.split(' ')
    const word = words[at]
    if (hidden || word === undefined) continue
    const members = at === 0 && words.length > 1 ? commands.filter((one) => one.name.startsWith(`${word} `)) : []
    const second = members.map((one) => one.name.slice(word.length + 1))
    candidates.set(word, { word, describe: members.length > 0 ? `Commands: ${second.join(', ')}` : describe })
  }
  return { candidates: [...candidates.values()] }
}

const TOP_OPTIONS: Offer = {
  candidates: [
    { word: '--help', describe: 'Show the commands' },
    { word: '--version', describe: 'Print the version' },
  ],
}
