/** File systems whose files are windows into the host's kernel: to write one is to steer the host. statfs(2), <linux/magic.h> */

const MAGIC: readonly number[] = [
  0x9fa0, // proc
  0x62656572, // sysfs
  0x64626720, // debugfs
  0x74726163, // tracefs
  0x73636673, // securityfs
  0x27e0eb, // cgroup
  0x63677270, // cgroup2
  0x62656570, // configfs
  0xcafe4a11, // bpf
  0xde5e81e4, // efivarfs
  0xf97cff8c, // selinuxfs
  0x43415d53, // smackfs
  0x6165676c, // pstore
  0x42494e4d, // binfmt_misc
  0x65735543, // fusectl
  0x6e736673, // nsfs
  0x67596969, // rpc_pipefs
  0x19800202, // mqueue
  0x1cd1, // devpts
]

/** Servers elsewhere answer for their files, or do not. */
const REMOTE: Readonly<Record<number, string>> = {
  26985: 'NFS',
  20859: 'SMB',
  4266872130: 'SMB',
  4283649346: 'SMB',
  1702057286: 'FUSE',
  12805120: 'Ceph',
  16914839: '9p',
  1397113167: 'AFS',
}

export const isKernelFileSystem = (type: bigint): boolean => MAGIC.includes(Number(BigInt.asUintN(32, type)))

/** Its name, when whoever asks for a file may have to wait long. */
export const remoteFileSystem = (type: bigint): string | undefined => REMOTE[Number(BigInt.asUintN(32, type))]
