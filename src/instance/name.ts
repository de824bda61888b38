/** Names of instances: what is allowed, and a readable one for those who gave none. */
import { UsageError } from '../errors.ts'

/** A name is a directory, a hostname and a word on a command line: nothing that any of them would misread. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/

export const isInstanceName = (text: string): boolean => NAME.test(text)

/** @throws UsageError for anything that could leave the instance directory or confuse a shell. */
export function checkInstanceName(text: string): string {
  if (isInstanceName(text)) return text
  throw new UsageError(`Cannot use ${JSON.stringify(text.slice(0, 80))} as a name.`, {
    hint: 'Use letters, digits, "_", "." and "-", starting with a letter or digit, at most 63 of them.',
  })
}

const ADJECTIVES = (
  'amber bold brave brisk calm clear crisp dapper deft eager early fair fleet gentle glad golden hardy hazel jolly ' +
  'keen kind light lively lucid mellow merry mild neat noble pale plain proud quick quiet rapid ready sage sharp ' +
  'silver sleek snug sober solid spry steady still sunny swift tidy trim warm wise witty young'
).split(' ')

const NOUNS = (
  'abbot alder arch aspen badger beech birch brook cedar chapel cloister cove crane dell dove elm falcon fern finch ' +
  'fjord garden glade grove harbour hare hazel heron holly ivy juniper kestrel lark linden lynx maple marten meadow ' +
  'moss oak orchard otter owl pine plover poplar quail raven reed robin rook rowan spruce swan tern thistle thrush ' +
  'vale willow wren yew'
).split(' ')

/** `quiet-otter`; later attempts grow a number, so that thousands of instances still find a free one. */
export function proposeName(attempt: number, random: () => number = Math.random): string {
  const pick = (words: readonly string[]): string => words[Math.floor(random() * words.length)]!
  const name = `${pick(ADJECTIVES)}-${pick(NOUNS)}`
  return attempt < 3 ? name : `${name}-${Math.floor(random() * 10 ** Math.min(attempt, 9))}`
}
