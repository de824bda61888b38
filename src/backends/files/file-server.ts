/** What stands behind a 9P transport: somebody who answers messages. The transport knows frames, the server what is in them. */

/** A request as it arrived: sound as a frame, not looked into. */
export interface FileRequest {
  readonly type: number
  readonly tag: number
  /** Bytes that the message says it has, all of them there. */
  readonly size: number
  /** The first HEAD_MAX bytes of it, or all: a copy, good until `serve` returns. */
  readonly head: Uint8Array
  /** The message where the guest has it: data of a write stays there until the answer. */
  readonly message: readonly Uint8Array[]
  /** Where the answer goes; room for an error at least. Data of a read are put there by the server itself. */
  readonly room: readonly Uint8Array[]
  readonly roomBytes: number
}

/** @param head the reply, but for its data; good during the call @param data bytes that follow it in the room, there already */
export type Answer = (head: Uint8Array, data: number) => void

export interface FileServer {
  /** Threads of libuv's pool that it may occupy at once. */
  readonly threads: number
  /** Answers once, in this call or later; replies come in any order. */
  serve(request: FileRequest, answer: Answer): void
  /** Work since the last call need not begin before this one. */
  submit(): void
  /** From its return on nothing is written into the room of a request; answers to those may still come. */
  drain(): void
  /** The client is gone: nothing of it is open any more. */
  reset(): void
  save(): SavedSession
  /** Into a server without a session. What cannot be opened again answers ESTALE from then on. */
  restore(session: SavedSession): void
  /** When nothing is under way any more. */
  close(): void
}

/** What a client has open, in numbers and text; plain JSON. */
export interface SavedSession {
  /** Largest message agreed on; 0 before. */
  readonly msize: number
  readonly fids: readonly SavedFid[]
}

export interface SavedFid {
  readonly fid: number
  /** Whom it was attached for, as the guest counts users. */
  readonly uid: number
  /** Below the share, one character a byte; empty for the share itself, null when it has no name any more. */
  readonly path: string | null
  /** Inode number as a decimal, and file type: another file at the same place is not taken for this one. */
  readonly inode: string
  readonly type: number
  /** As open(2) has them; null for one that is not open. */
  readonly flags: number | null
}
