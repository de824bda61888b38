/**
 * The one door to the kernel: the only file that imports koffi.
 *
 * The native library is loaded and each C function declared on first use, so that importing this file is free.
 * Calls retry EINTR unless they say otherwise and throw SyscallError. Every descriptor opened here closes on exec:
 * a child gets one only when it is handed over on purpose.
 */
import {
  EAGAIN,
  EFD_CLOEXEC,
  EINTR,
  EPOLL_CLOEXEC,
  LOCK_EX,
  LOCK_NB,
  MFD_CLOEXEC,
  O_CLOEXEC,
  SA_RESTART,
  SO_PEERCRED,
  SOL_SOCKET,
  SYS_gettid,
  SYS_tgkill,
} from './constants.ts'
import { epollEvent, sigaction } from './structs/libc.ts'
import { SyscallError } from './syscall-error.ts'

export { SyscallError } from './syscall-error.ts'

type Koffi = typeof import('koffi')
type CFunction = ReturnType<ReturnType<Koffi['load']>['func']>

let koffi: Koffi | undefined
let libc: ReturnType<Koffi['load']> | undefined

/**
 * A bundle of CommonJS has a `require` at hand; making one costs the start of the module loader, a millisecond. Asked
 * for by way of `module`, since bundlers put a `require` of their own into ES modules.
 */
const requireHere = (): ((name: string) => Koffi) =>
  typeof module === 'object'
    ? (name) => module.require(name)
    : process.getBuiltinModule('node:module').createRequire(import.meta.url)

/** The package's JavaScript half takes longer to load than the native half, and nothing here needs it. */
function loadKoffi(): Koffi {
  const load = requireHere()
  try {
    return load('@koromix/koffi-linux-x64/linux_x64/koffi.node')
  } catch {
    return load('koffi')
  }
}

const native = (): Koffi => {
  koffi ??= loadKoffi()
  return koffi
}

/** The libraries of the process itself; never unloaded, so the address of a C function stays good for ever. */
const library = () => {
  libc ??= native().load(null)
  return libc
}

/** A C function of the process's libraries, for the files beside this one; looked up when it is first called. */
export function cFunction(name: string, result: string, parameters: string[]): () => CFunction {
  let declared: CFunction | undefined
  return () => {
    declared ??= library().func(name, result, parameters)
    return declared
  }
}

// A `void *` takes a typed array and passes the address of its bytes: good until the call returns, no longer.
// A `uintptr` takes an address as number or bigint: whoever owns the mapping keeps it alive during the call.
const cOpen = cFunction('open', 'int', ['str', 'int', 'uint'])
const cClose = cFunction('close', 'int', ['int'])
const cIoctlValue = cFunction('ioctl', 'int', ['int', 'ulong', 'uintptr'])
const cIoctlBytes = cFunction('ioctl', 'int', ['int', 'ulong', 'void *'])
const cMmap = cFunction('mmap', 'int64', ['uintptr', 'size_t', 'int', 'int', 'int', 'int64'])
const cMunmap = cFunction('munmap', 'int', ['uintptr', 'size_t'])
const cMemfdCreate = cFunction('memfd_create', 'int', ['str', 'uint'])
const cFtruncate = cFunction('ftruncate', 'int', ['int', 'int64'])
const cEventfd = cFunction('eventfd', 'int', ['uint', 'int'])
const cRead = cFunction('read', 'int64', ['int', 'void *', 'size_t'])
const cWrite = cFunction('write', 'int64', ['int', 'void *', 'size_t'])
const cPipe2 = cFunction('pipe2', 'int', ['void *', 'int'])
const cDup2 = cFunction('dup2', 'int', ['int', 'int'])
const cFlock = cFunction('flock', 'int', ['int', 'int'])
const cGetsockopt = cFunction('getsockopt', 'int', ['int', 'int', 'int', 'void *', 'void *'])
const cIsatty = cFunction('isatty', 'int', ['int'])
const cGetrandom = cFunction('getrandom', 'int64', ['void *', 'size_t', 'uint'])
const cPread = cFunction('pread', 'int64', ['int', 'uintptr', 'size_t', 'int64'])
const cEpollCreate = cFunction('epoll_create1', 'int', ['int'])
const cEpollCtl = cFunction('epoll_ctl', 'int', ['int', 'int', 'int', 'void *'])
const cEpollWait = cFunction('epoll_wait', 'int', ['int', 'void *', 'int', 'int'])
const cExit = cFunction('_exit', 'void', ['int'])
const cSigaction = cFunction('sigaction', 'int', ['int', 'void *', 'void *'])
// glibc before 2.30 has no gettid() and tgkill() of its own.
const cSyscall = cFunction('syscall', 'long', ['long', 'long', 'long', 'long'])

/** errno of this thread, or inside the callback of an asynchronous call that of the pool thread which made it. */
export const lastErrno = (): number => native().errno()

/** Runs a call until it ends other than by EINTR. */
export function retrying(call: () => number, name: string): number {
  for (;;) {
    const result = call()
    if (result >= 0) return result
    const errno = lastErrno()
    if (errno !== EINTR) throw new SyscallError(name, errno)
  }
}

// ---- descriptors ----

export const open = (path: string, flags: number, mode = 0o600): number =>
  retrying(() => cOpen()(path, flags | O_CLOEXEC, mode), `open ${path}`)

/** Not retried: Linux has freed the descriptor even when close says EINTR, and it may be another's by now. */
export function close(fd: number): void {
  if (cClose()(fd) >= 0) return
  const errno = lastErrno()
  if (errno !== EINTR) throw new SyscallError('close', errno)
}

/** `name` is the request's, for the error. Bytes stay where they are during the call; a number or bigint goes as it is. */
export function ioctl(fd: number, request: number, arg: Uint8Array | bigint | number, name: string): number {
  const call = typeof arg === 'object' ? cIoctlBytes() : cIoctlValue()
  return retrying(() => call(fd, request, arg), `ioctl ${name}`)
}

/** One attempt, no exception: the result, or minus errno. For KVM_RUN, where EINTR is an answer. */
export function ioctlOnce(fd: number, request: number): number {
  const result = cIoctlValue()(fd, request, 0)
  return result >= 0 ? result : -lastErrno()
}

/**
 * One attempt on a thread of libuv's pool; `done` runs on the event loop with errno 0 or the pool thread's errno.
 * The descriptor must stay open until then, and the process cannot exit before: interrupt the call first.
 */
export function ioctlAsync(
  fd: number,
  request: number,
  arg: bigint | number,
  done: (result: number, errno: number) => void,
): void {
  cIoctlValue().async(fd, request, arg, (_: unknown, result: number) => done(result, result < 0 ? lastErrno() : 0))
}

/** Reads into native memory that the caller keeps mapped; fewer bytes than asked only at the end of the file. */
export function preadInto(fd: number, address: bigint, length: number, offset: number): number {
  let done = 0
  while (done < length) {
    const got = retrying(() => cPread()(fd, address + BigInt(done), length - done, offset + done), 'pread')
    if (got === 0) break
    done += got
  }
  return done
}

/** @returns the end to read from and the end to write to. pipe(2) */
export function pipe(): readonly [read: number, write: number] {
  const ends = new Int32Array(2)
  retrying(() => cPipe2()(ends, O_CLOEXEC), 'pipe2')
  return [ends[0]!, ends[1]!]
}

/** Makes `to` mean what `from` means; unlike every other descriptor here, `to` stays open on exec. dup2(2) */
export const duplicate = (from: number, to: number): void => {
  retrying(() => cDup2()(from, to), 'dup2')
}

/** Takes the lock of an open file for its descriptor's lifetime, or says that another one has it. flock(2) */
export function tryLock(fd: number): boolean {
  for (;;) {
    if (cFlock()(fd, LOCK_EX | LOCK_NB) >= 0) return true
    const errno = lastErrno()
    if (errno === EAGAIN) return false
    if (errno !== EINTR) throw new SyscallError('flock', errno)
  }
}

/** Who is at the other end of a Unix socket, as the kernel noted it when they connected. SO_PEERCRED, unix(7) */
export function peerOf(fd: number): { readonly pid: number; readonly uid: number; readonly gid: number } {
  const credentials = new Int32Array(3)
  const length = new Uint32Array([credentials.byteLength])
  retrying(() => cGetsockopt()(fd, SOL_SOCKET, SO_PEERCRED, credentials, length), 'getsockopt SO_PEERCRED')
  return { pid: credentials[0]!, uid: credentials[1]! >>> 0, gid: credentials[2]! >>> 0 }
}

/** Whether it is a terminal; node:tty would load Node's whole network stack to say so. */
export const isatty = (fd: number): boolean => cIsatty()(fd) === 1

/** Fills all of it from the kernel's random number generator, waiting for its first seed if need be. */
export function getrandom(bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const rest = bytes.subarray(done)
    done += retrying(() => cGetrandom()(rest, rest.length, 0), 'getrandom')
  }
}

// ---- memory ----

/** @param at with MAP_FIXED: where, replacing what is mapped there */
export function mmap(length: number, prot: number, flags: number, fd: number, offset: number, at = 0n): bigint {
  const address = cMmap()(at, length, prot, flags, fd, offset)
  // MAP_FAILED; a user-space address is never negative.
  if (address === -1) throw new SyscallError('mmap', lastErrno())
  return BigInt(address)
}

/** Every view of this memory is dead from here on: touching one is a segmentation fault, not an exception. */
export const munmap = (address: bigint, length: number): void => {
  retrying(() => cMunmap()(address, length), 'munmap')
}

const VIEW_MAX = 2 ** 32

/**
 * An ArrayBuffer over native memory, no copy. It does not keep the mapping alive: whoever unmaps sees to it that
 * no view is used any more. Larger than 4 GiB would abort the process in V8, so it is refused: view in pieces.
 */
export function viewMemory(address: bigint, length: number): ArrayBuffer {
  if (!(length >= 0 && length <= VIEW_MAX)) throw new RangeError(`Cannot view ${length} bytes: at most 4 GiB at once.`)
  return native().view(address, length)
}

/** The address of an array's first byte: good only while the array is reachable. For pointers inside structs. */
export const addressOf = (bytes: Uint8Array): bigint => BigInt(native().address(bytes))

export const memfdCreate = (name: string, flags: number): number =>
  retrying(() => cMemfdCreate()(name, flags | MFD_CLOEXEC), 'memfd_create')

export const ftruncate = (fd: number, size: number): void => {
  retrying(() => cFtruncate()(fd, size), 'ftruncate')
}

// ---- events ----

export const eventfd = (initial: number, flags: number): number =>
  retrying(() => cEventfd()(initial, flags | EFD_CLOEXEC), 'eventfd')

const counter = new BigUint64Array(1)

export function eventfdWrite(fd: number, count: bigint): void {
  counter[0] = count
  retrying(() => cWrite()(fd, counter, 8), 'write eventfd')
}

/** The count since the last read; 0n when a non-blocking eventfd has none. */
export function eventfdRead(fd: number): bigint {
  for (;;) {
    if (cRead()(fd, counter, 8) >= 0) return counter[0] as bigint
    const errno = lastErrno()
    if (errno === EAGAIN) return 0n
    if (errno !== EINTR) throw new SyscallError('read eventfd', errno)
  }
}

export const epollCreate = (): number => retrying(() => cEpollCreate()(EPOLL_CLOEXEC), 'epoll_create1')

/** Bytes per event in the buffer of epollWaitAsync. */
export const EPOLL_EVENT_SIZE = epollEvent.size

/** `data` comes back with each event: any unsigned 32-bit number. */
export function epollCtl(epfd: number, op: number, fd: number, events: number, data: number): void {
  const event = new Uint8Array(EPOLL_EVENT_SIZE)
  const view = new DataView(event.buffer)
  view.setUint32(epollEvent.offsetOf.events, events, true)
  view.setUint32(epollEvent.offsetOf.data, data, true)
  retrying(() => cEpollCtl()(epfd, op, fd, event), 'epoll_ctl')
}

/** What the index-th event of an epoll_wait buffer says. */
export function epollEventAt(events: Uint8Array, index: number): { events: number; data: number } {
  const view = new DataView(events.buffer, events.byteOffset + index * EPOLL_EVENT_SIZE, EPOLL_EVENT_SIZE)
  return {
    events: view.getUint32(epollEvent.offsetOf.events, true),
    data: view.getUint32(epollEvent.offsetOf.data, true),
  }
}

/** Keeps the buffers of calls in flight reachable: nothing else need remember them while the kernel writes there. */
const inFlight = new Set<Uint8Array>()

/** One epoll_wait on a pool thread. EINTR counts as no events; any other failure arrives as a count of -1 and errno. */
export function epollWaitAsync(
  epfd: number,
  events: Uint8Array,
  maxEvents: number,
  timeoutMs: number,
  done: (count: number, errno: number) => void,
): void {
  if (maxEvents * EPOLL_EVENT_SIZE > events.length) throw new RangeError('Cannot wait: the event buffer is too small.')
  inFlight.add(events)
  cEpollWait().async(epfd, events, maxEvents, timeoutMs, (_: unknown, count: number) => {
    const errno = count < 0 ? lastErrno() : 0
    inFlight.delete(events)
    if (errno === EINTR) done(0, 0)
    else done(count, errno)
  })
}

/** One epoll_wait that does not wait: how many events are there now. */
export function epollTake(epfd: number, events: Uint8Array, maxEvents: number): number {
  if (maxEvents * EPOLL_EVENT_SIZE > events.length) throw new RangeError('Cannot wait: the event buffer is too small.')
  return retrying(() => cEpollWait()(epfd, events, maxEvents, 0), 'epoll_wait')
}

type LoopPoll = (fd: number, callback: (status: number) => void) => { close(): void }

/** Whether this program exports libuv's functions. */
export function canPollOnLoop(): boolean {
  try {
    library().symbol('uv_poll_start')
    return true
  } catch {
    return false
  }
}

/** Handles in use: koffi closes one that is garbage. */
const polled = new Set<object>()

/**
 * Lets Node's own event loop wait for a descriptor (uv_poll_t): calls back, without a thread in between, for as long as
 * it is readable, and keeps the process alive until the function returned is called; the descriptor stays open till
 * then. What the callback throws would come up in somebody else's call: it must not throw. A negative status is
 * libuv's error and the last call. Only where `canPollOnLoop`.
 */
export function pollOnLoop(fd: number, callback: (status: number) => void): () => void {
  // Its declared type leaves the status out.
  const handle = (native().node.poll as unknown as LoopPoll)(fd, callback)
  polled.add(handle)
  return () => {
    if (polled.delete(handle)) handle.close()
  }
}

// ---- threads and signals ----

/** The kernel's id of the calling thread: of a Worker when called there. */
export const gettid = (): number => cSyscall()(SYS_gettid, 0, 0, 0)

export const tgkill = (tgid: number, tid: number, signal: number): void => {
  retrying(() => cSyscall()(SYS_tgkill, tgid, tid, signal), 'tgkill')
}

/**
 * Gives a signal a handler that does nothing, for the whole process: the address of getpid(), which is safe to call
 * at any moment and ignores its arguments. With SA_RESTART the signal then only interrupts KVM_RUN and epoll_wait.
 */
export function installNoopHandler(signal: number): void {
  const action = sigaction.encode({
    sa_handler: BigInt(library().symbol('getpid')),
    sa_mask: new Uint8Array(sigaction.fields.sa_mask.size),
    sa_flags: SA_RESTART,
    // The C library puts its own here.
    sa_restorer: 0n,
  })
  retrying(() => cSigaction()(signal, action, null), 'sigaction')
}

/** Ends the process at once: no exit handlers, no waiting for pool threads, whatever call they are in. _exit(2) */
export const exitNow = (status: number): void => {
  cExit()(status)
}
