/** C library structs that are passed, as glibc and musl lay them out on x86-64. */
import { bytes, s32, s64, struct, u16, u32, u64 } from '../layout.ts'

/** epoll_ctl(2), epoll_wait(2). Packed on x86-64, so that the 64 bits of `data` lie at offset 4. */
export const epollEvent = struct('epoll_event', { size: 12 }, { events: u32, data: bytes(8) })

/** sigaction(2), the C library's form. */
export const sigaction = struct(
  'sigaction',
  { size: 152 },
  { sa_handler: u64, sa_mask: bytes(128), sa_flags: s32, sa_restorer: u64 },
)

/** fcntl(2), what F_OFD_SETLK takes. */
export const flock = struct('flock', { size: 32 }, { l_type: u16, l_whence: u16, l_start: s64, l_len: s64, l_pid: s32 })
