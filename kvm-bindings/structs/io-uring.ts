/** The structs of the two rings of io_uring(7), <linux/io_uring.h>. */
import { bytes, s32, struct, u8, u16, u32, u64 } from '../layout.ts'

/** One request. The header's unions go by the name that reads and writes have for them. */
export const ioUringSqe = struct(
  'io_uring_sqe',
  { size: 64 },
  {
    opcode: u8,
    flags: u8,
    ioprio: u16,
    fd: s32,
    off: u64,
    addr: u64,
    len: u32,
    rw_flags: u32,
    user_data: u64,
    buf_index: u16,
    personality: u16,
    splice_fd_in: s32,
    addr3: u64,
    __pad2: bytes(8),
  },
)

/** One answer. */
export const ioUringCqe = struct('io_uring_cqe', { size: 16 }, { user_data: u64, res: s32, flags: u32 })
