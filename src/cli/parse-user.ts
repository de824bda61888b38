/** `--user UID[:GID]`. By number: what a name means is written in the files inside. */
import { UsageError } from '../errors.ts'
import type { UserSpec } from '../instance/run-spec.ts'

/** All ones stands for "no change" in the kernel's calls. */
const ID_MAX = 0xffff_fffe

/** The group has the user's number unless said. @throws UsageError */
export function parseUser(asked: string): UserSpec {
  const [, user, group = user] = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(asked) ?? []
  const [uid, gid] = [Number(user), Number(group)]
  if (user !== undefined && uid <= ID_MAX && gid <= ID_MAX) return { uid, gid }
  throw new UsageError(`Cannot run as user "${asked}": it takes numbers, UID or UID:GID.`, {
    hint: 'Names are those of the files inside: "id" there tells the numbers.',
  })
}
