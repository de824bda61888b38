/**
 * What lies around a program that was given alone: the directories and files that a C library and a shell expect,
 * the same at every level.
 */

/** Parents first. */
export const PROGRAM_DIRECTORIES = [
  { path: 'dev', mode: 0o755 },
  { path: 'etc', mode: 0o755 },
  { path: 'proc', mode: 0o755 },
  { path: 'root', mode: 0o755 },
  { path: 'sys', mode: 0o755 },
  { path: 'tmp', mode: 0o1777 },
] as const

export const PROGRAM_FILES = [
  { path: 'etc/passwd', text: 'root:x:0:0:root:/root:/\n' },
  { path: 'etc/group', text: 'root:x:0:\n' },
] as const
