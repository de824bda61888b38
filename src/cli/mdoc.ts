/** Words as mdoc(7) wants them: nothing that a person wrote is taken for a request, and "-" stays what it is. */

/** Longer source lines are bad form (mandoc -Tlint); longer words stay whole. */
const WIDTH = 78

/** In roff "-" is a hyphen, which no shell reads, "\-" a minus; "\" begins an escape. */
const escaped = (words: string): string =>
  words.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('\u2013', '\\(en')

/** A line that begins with a dot or an apostrophe is a request. */
const line = (words: string): string => (/^[.']/.test(words) ? '\\&' : '') + escaped(words)

/** Lines of running text, each sentence on lines of its own, as manual pages are written. */
export const text = (words: string): string[] =>
  words
    .split(/(?<=[.!?]) (?=[A-Z0-9"-])/)
    .flatMap(wrapped)
    .map(line)

function wrapped(sentence: string): string[] {
  const lines: string[] = []
  for (const word of sentence.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** A line of an example, to be copied. */
export const block = (words: string): string[] => ['.Bd -literal -offset indent', line(words), '.Ed']

export const macro = (name: string, ...words: readonly string[]): string =>
  [`.${name}`, ...words.map(argument)].join(' ')

/** An argument that has blanks in it, or looks like a macro or a delimiter, is taken as it stands. */
export function argument(word: string): string {
  const quoted = escaped(word).replaceAll('"', '\\(dq')
  const guarded = /^(%?[A-Z][a-z0-9]{1,2}|%[A-Z]|[.,:;()[\]?!|])$/.test(word) ? `\\&${quoted}` : quoted
  return word === '' || word.includes(' ') ? `"${guarded}"` : guarded
}
