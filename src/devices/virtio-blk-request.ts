/** The numbers of block requests. virtio 1.2 §5.2.3, §5.2.6 */

export const VIRTIO_BLK_F_SIZE_MAX = 1n << 1n
export const VIRTIO_BLK_F_SEG_MAX = 1n << 2n
export const VIRTIO_BLK_F_RO = 1n << 5n
export const VIRTIO_BLK_F_BLK_SIZE = 1n << 6n
export const VIRTIO_BLK_F_FLUSH = 1n << 9n
export const VIRTIO_BLK_F_TOPOLOGY = 1n << 10n
export const VIRTIO_BLK_F_CONFIG_WCE = 1n << 11n
export const VIRTIO_BLK_F_DISCARD = 1n << 13n
export const VIRTIO_BLK_F_WRITE_ZEROES = 1n << 14n

/** Sectors on the wire have 512 bytes, whatever the disk's blocks have. */
export const SECTOR = 512

/** le32 type, le32 reserved, le64 sector. */
export const HEADER_BYTES = 16
export const ID_BYTES = 20

export const VIRTIO_BLK_T = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8, DISCARD: 11, WRITE_ZEROES: 13 } as const

export const VIRTIO_BLK_S = { OK: 0, IOERR: 1, UNSUPP: 2 } as const
