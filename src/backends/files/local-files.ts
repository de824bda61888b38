/**
 * A 9P2000.L server over a directory of the host. What takes microseconds is done and answered on the spot; reads, writes
 * and flushes may be answered later. diod's protocol.md, Linux net/9p/client.c
 */
import { EBADF, EINVAL, EIO, EMSGSIZE, EOPNOTSUPP, EPROTO, O_DSYNC } from '../../../kvm-bindings/constants.ts'
import { BugError } from '../../errors.ts'
import type { AsyncFiles } from '../disk/async-files.ts'
import { ReplyWriter, RequestReader } from './codec.ts'
import { FidTable, type LiveFid } from './fids.ts'
import type { Answer, FileRequest, FileServer, SavedSession } from './file-server.ts'
import { OPERATIONS } from './operations.ts'
import {
  HEAD_MAX,
  HEADER_BYTES,
  MSIZE_MAX,
  MSIZE_MIN,
  READ_HEADER_BYTES,
  RLERROR,
  T,
  VERSION,
  WRITE_HEADER_BYTES,
} from './protocol.ts'
import { Refusal } from './refusal.ts'
import { restoreFids, saveFids } from './saved-fids.ts'
import type { Session } from './session.ts'
import type { Share } from './share.ts'
import { Transfers } from './transfers.ts'

export interface LocalFilesOptions {
  readonly share: Share
  readonly files: AsyncFiles
  /** Files that the guest may have in hand at once; each takes a descriptor of this process. */
  readonly maxFids: number
  /** Told of our own failures. */
  readonly log?: (line: string) => void
}

export const createLocalFiles = (options: LocalFilesOptions): FileServer => new LocalFiles(options)

/** By tag: what waits for the end of a request that is under way (Tflush). */
type UnderWay = Map<number, (() => void)[]>

class LocalFiles implements FileServer, Session {
  readonly share: Share
  readonly fids: FidTable
  readonly threads: number
  msize = 0
  readonly #files: AsyncFiles
  readonly #transfers: Transfers
  readonly #reply = new ReplyWriter(MSIZE_MAX)
  readonly #log: (line: string) => void
  /** Of this session: what comes from before it has tags of its own. */
  #underWay: UnderWay = new Map()

  constructor({ share, files, maxFids, log = () => {} }: LocalFilesOptions) {
    this.share = share
    this.#files = files
    this.#transfers = new Transfers(files)
    this.#log = log
    this.threads = files.threads
    this.fids = new FidTable(maxFids)
  }

  serve(request: FileRequest, answer: Answer): void {
    try {
      this.#serve(request, answer)
    } catch (error) {
      this.#refuse(request, answer, error)
    }
  }

  submit(): void {
    this.#transfers.submit()
  }

  drain(): void {
    this.#transfers.drain()
  }

  reset(): void {
    this.fids.clear()
    this.#underWay = new Map()
    this.msize = 0
  }

  save(): SavedSession {
    return { msize: this.msize, fids: saveFids(this) }
  }

  restore({ msize, fids }: SavedSession): void {
    this.reset()
    this.msize = msize
    restoreFids(this, fids)
  }

  close(): void {
    this.reset()
    this.#files.close()
    this.share.close()
  }

  #serve(request: FileRequest, answer: Answer): void {
    const { type, tag, size, head, roomBytes } = request
    const fields = new RequestReader(head, HEADER_BYTES)
    if (type === T.version) {
      this.#version(request, fields, answer)
      return
    }
    if (this.msize === 0) throw new Refusal(EPROTO)
    if (size > this.msize || (size > HEAD_MAX && type !== T.write)) throw new Refusal(EMSGSIZE)
    if (this.#underWay.has(tag)) throw new Refusal(EINVAL)
    switch (type) {
      case T.read:
        this.#read(request, fields, answer)
        return
      case T.write:
        this.#write(request, fields, answer)
        return
      case T.fsync:
        this.#fsync(request, fields, answer)
        return
      case T.flush:
        this.#flush(request, fields, answer)
        return
    }
    const operation = OPERATIONS.get(type)
    if (operation === undefined) throw new Refusal(EOPNOTSUPP)
    this.#reply.begin(type + 1, tag, Math.min(roomBytes, this.msize))
    operation(this, fields, this.#reply)
    answer(this.#reply.finish(), 0)
  }

  /** Begins a session, and with it ends the one before. version(5) */
  #version({ type, tag, roomBytes }: FileRequest, fields: RequestReader, answer: Answer): void {
    const wanted = fields.u32()
    const version = Buffer.from(fields.string(0xff)).toString('latin1')
    fields.end()
    this.reset()
    const known = version === VERSION && wanted >= MSIZE_MIN
    const msize = Math.min(wanted, MSIZE_MAX)
    this.#reply.begin(type + 1, tag, roomBytes)
    this.#reply.u32(msize)
    this.#reply.string(Buffer.from(known ? VERSION : 'unknown'))
    const reply = this.#reply.finish()
    if (known) this.msize = msize
    answer(reply, 0)
  }

  #read(request: FileRequest, fields: RequestReader, answer: Answer): void {
    const fid = this.#open(fields.u32())
    const offset = fields.size()
    const count = fields.u32()
    fields.end()
    const most = Math.min(request.roomBytes, this.msize) - READ_HEADER_BYTES
    const { fd } = fid.file
    const { room: segments } = request
    const length = Math.min(count, most)
    this.#later(request, fid, answer, (done) =>
      this.#transfers.read({ fd, offset, segments, skip: READ_HEADER_BYTES, length }, (result) => done(result, result)),
    )
  }

  #write(request: FileRequest, fields: RequestReader, answer: Answer): void {
    const fid = this.#open(fields.u32())
    const offset = fields.size()
    const length = fields.u32()
    if (length > request.size - WRITE_HEADER_BYTES) throw new Refusal(EINVAL)
    const { fd } = fid.file
    const stable = (fid.flags! & O_DSYNC) !== 0
    const { message: segments } = request
    this.#later(request, fid, answer, (done) =>
      this.#transfers.write({ fd, offset, segments, skip: WRITE_HEADER_BYTES, length }, stable, (result) =>
        done(result),
      ),
    )
  }

  #fsync(request: FileRequest, fields: RequestReader, answer: Answer): void {
    const fid = this.#open(fields.u32())
    // Clients before Linux 2.6.39 say nothing of it.
    const dataOnly = request.size > HEADER_BYTES + 4 && fields.u32() !== 0
    fields.end()
    this.#later(request, fid, answer, (done) => this.#transfers.sync(fid.file.fd, dataOnly, (result) => done(result)))
  }

  /** The request that is no longer wanted is answered all the same, and this one after it. flush(5) */
  #flush({ type, tag, roomBytes }: FileRequest, fields: RequestReader, answer: Answer): void {
    const old = fields.u16()
    fields.end()
    const end = () => {
      this.#reply.begin(type + 1, tag, roomBytes)
      answer(this.#reply.finish(), 0)
    }
    const waiters = this.#underWay.get(old)
    if (waiters) waiters.push(end)
    else end()
  }

  #open(number: number): LiveFid {
    const fid = this.fids.get(number)
    if (fid.flags === undefined) throw new Refusal(EBADF)
    return fid
  }

  /** Begins work on a file that stays open meanwhile. Its replies but for those of fsync carry a count. */
  #later(
    request: FileRequest,
    { file }: LiveFid,
    answer: Answer,
    work: (done: (result: number, data?: number) => void) => void,
  ): void {
    const { type, tag, roomBytes } = request
    const underWay = this.#underWay
    const waiters: (() => void)[] = []
    underWay.set(tag, waiters)
    file.hold()
    work((result, data = 0) => {
      file.release()
      underWay.delete(tag)
      if (result < 0) this.#refuse(request, answer, new Refusal(-result))
      else {
        this.#reply.begin(type + 1, tag, roomBytes)
        if (type !== T.fsync) this.#reply.u32(result)
        answer(this.#reply.finish(data), data)
      }
      for (const waiter of waiters) waiter()
    })
  }

  #refuse({ tag, roomBytes }: FileRequest, answer: Answer, error: unknown): void {
    if (!(error instanceof Refusal)) {
      if (error instanceof BugError) throw error
      this.#log(`a request failed: ${error instanceof Error ? error.message : String(error)}`)
    }
    this.#reply.begin(RLERROR, tag, roomBytes)
    this.#reply.u32(error instanceof Refusal ? error.errno : EIO)
    answer(this.#reply.finish(), 0)
  }
}
