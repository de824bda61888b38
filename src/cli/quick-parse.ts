/**
 * The command line of a correct `run`, read without yargs: loading that costs as much as starting a small VM.
 *
 * It knows the same rows and answers only when every option is known and complete; whatever it does not understand,
 * a request for help included, goes to yargs, which has the words. A test holds the two to the same answers.
 */
import { type Command, enoughOperands, type OptionRow, type ParsedArguments, spells } from './command.ts'

export function quickParse(command: Command, args: readonly string[]): ParsedArguments | undefined {
  const options: Record<string, string | true | string[]> = {}
  const put = (row: OptionRow, value: string): void => {
    const before = options[row.name]
    if (row.many) options[row.name] = [...(Array.isArray(before) ? before : []), value]
    else options[row.name] = value
  }

  let at = 0
  for (; at < args.length; at++) {
    const arg = args[at]!
    if (arg === '--' || arg === '-' || !arg.startsWith('-')) break
    const equals = arg.indexOf('=')
    const word = equals === -1 ? arg : arg.slice(0, equals)
    const row = command.options.find((candidate) => spells(candidate, word))
    if (row === undefined || row.name === 'help') return undefined
    if (row.value === undefined) {
      if (equals !== -1) return undefined
      options[row.name] = true
    } else if (equals !== -1 && word.startsWith('--')) {
      put(row, arg.slice(equals + 1))
    } else {
      const value = args[++at]
      if (equals !== -1 || value === undefined) return undefined
      put(row, value)
    }
  }
  const operands = args.slice(args[at] === '--' ? at + 1 : at)
  const enough = enoughOperands(command, { options, operands })
  const optionLater = !command.stopsAtOperand && operands.some((operand) => operand.startsWith('-'))
  return !enough || operands.length > command.operands.max || optionLater ? undefined : { options, operands }
}
