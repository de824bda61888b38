/** The keys by which one leaves a terminal that was lent to a program: docker's, Ctrl-P and then Ctrl-Q. */

const CTRL_P = 0x10
const CTRL_Q = 0x11

export interface Typed {
  /** What goes on to the program. */
  readonly bytes: Uint8Array
  readonly detached: boolean
}

/** The first key is kept back until the next one says what it meant. */
export function detachKeys(): (typed: Uint8Array) => Typed {
  let held = false
  return (typed) => {
    const passed: number[] = []
    for (const key of typed) {
      if (held && key === CTRL_Q) return { bytes: Uint8Array.from(passed), detached: true }
      if (held) passed.push(CTRL_P)
      held = key === CTRL_P
      if (!held) passed.push(key)
    }
    return { bytes: Uint8Array.from(passed), detached: false }
  }
}
