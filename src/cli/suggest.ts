/** "Did you mean ...?": the known word nearest to a mistyped one. */

/** Beyond this a suggestion is a guess. */
const MOST_EDITS = 2

export function suggest(word: string, known: readonly string[]): string | undefined {
  const near = known
    .map((candidate) => ({ candidate, edits: editDistance(word.slice(0, 64), candidate) }))
    .filter(({ candidate, edits }) => edits <= MOST_EDITS && edits < candidate.length)
    .sort((a, b) => a.edits - b.edits)
  return near[0]?.candidate ?? known.find((candidate) => word.length >= 3 && candidate.startsWith(word))
}

/** Insertions, deletions, replacements and swaps of neighbours that turn one word into the other. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      let edits = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1))
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      if (swapped) edits = Math.min(edits, beforeLast[column - 2]! + 1)
      current.push(edits)
    }
    beforeLast = last
    last = current
  }
  return last[to.length]!
}
