/** The shells that completion/ has a script for. */
export const COMPLETION_SHELLS = ['bash', 'zsh', 'fish'] as const
