/** The `cloister` commands in lines that a person would type: in help texts and in documents. */

/** Ends a command, or begins a comment. */
const BORDER = /^(\||\|\||&&|&|;|>.*|<.*|#.*)$/

/** @returns the words after `cloister`, or after a path to it, of every command in the line. */
export function cloisterLines(line: string): string[][] {
  const found: string[][] = []
  const outer = line.replaceAll(/\$\(([^()]*)\)/g, (_, inner: string) => {
    found.push(...cloisterLines(inner))
    return 'SUBSTITUTED'
  })
  let words: string[] | undefined
  for (const { text, quoted } of splitWords(outer)) {
    if (!quoted && /^((\S*\/)?bin\/)?cloister$/.test(text)) {
      words = []
      found.push(words)
    } else if (!quoted && BORDER.test(text)) words = undefined
    else words?.push(text)
  }
  return found
}

/** As a shell does, roughly: words may be in quotes, which are taken off. */
const splitWords = (line: string): { text: string; quoted: boolean }[] =>
  [...line.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"';]+|;)/g)].map(([, double, single, plain]) => ({
    text: double ?? single ?? plain ?? '',
    quoted: plain === undefined,
  }))
