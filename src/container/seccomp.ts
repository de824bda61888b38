/**
 * The seccomp profile: which system calls of the host kernel a container reaches. Whatever is not on a list here is
 * refused with EPERM. OCI runtime spec, config-linux.md "Seccomp"; the choice follows docker's default profile,
 * less what needs a capability that our containers never hold.
 */
import { SYSCALLS } from './syscalls.ts'

export interface SeccompArgument {
  readonly index: number
  readonly value: number
  readonly valueTwo?: number
  readonly op: 'SCMP_CMP_EQ' | 'SCMP_CMP_MASKED_EQ'
}

export interface SeccompRule {
  readonly names: readonly string[]
  readonly action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO'
  readonly errnoRet?: number
  readonly args?: readonly SeccompArgument[]
}

export interface SeccompProfile {
  readonly defaultAction: 'SCMP_ACT_ERRNO'
  readonly defaultErrnoRet: number
  readonly architectures: readonly string[]
  readonly syscalls: readonly SeccompRule[]
}

const EPERM = 1
const ENOSYS = 38

/** CLONE_NEWTIME aside, which shares its bit with the exit signal: every CLONE_NEW* flag of clone(2). */
const CLONE_NEW_NAMESPACE = 0x7e02_0000

/**
 * AF_UNIX, AF_INET6, AF_NETLINK, and AF_INET below. Any other would load a module of the host's that nobody here has a use for;
 * AF_ALG reaches its cryptography, and AF_VSOCK leaves every network namespace.
 */
const SOCKET_FAMILIES = [1, 10, 16]
const AF_UNIX = 1
const AF_INET = 2
/**
 * SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET. With SOCK_PACKET the kernel takes AF_INET for AF_PACKET, and CAP_NET_RAW
 * would see whole frames and send any. packet(7)
 */
const INTERNET_TYPES = [1, 2, 3, 5]
/** SOCK_NONBLOCK and SOCK_CLOEXEC lie above. */
const SOCK_TYPE_MASK = 0xf

/** PER_LINUX, PER_LINUX32, each with and without UNAME26, and the query. personality(2) */
const PERSONALITIES = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff]

const allow = (names: readonly string[], ...args: SeccompArgument[]): SeccompRule => ({
  names,
  action: 'SCMP_ACT_ALLOW',
  ...(args.length > 0 && { args }),
})

export function seccompProfile(): SeccompProfile {
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: EPERM,
    // A call by the i386 or x32 gate kills the program: it has no use for them, an attacker has.
    architectures: ['SCMP_ARCH_X86_64'],
    syscalls: [
      allow(Object.values(SYSCALLS).flat()),
      allow(['clone'], { index: 0, value: CLONE_NEW_NAMESPACE, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }),
      // Its flags lie in memory, where a filter cannot look; with ENOSYS the C libraries fall back to clone.
      { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
      ...SOCKET_FAMILIES.map((value) => allow(['socket'], { index: 0, value, op: 'SCMP_CMP_EQ' as const })),
      ...INTERNET_TYPES.map((type) =>
        allow(
          ['socket'],
          { index: 0, value: AF_INET, op: 'SCMP_CMP_EQ' },
          { index: 1, value: SOCK_TYPE_MASK, valueTwo: type, op: 'SCMP_CMP_MASKED_EQ' },
        ),
      ),
      allow(['socketpair'], { index: 0, value: AF_UNIX, op: 'SCMP_CMP_EQ' }),
      ...PERSONALITIES.map((value) => allow(['personality'], { index: 0, value, op: 'SCMP_CMP_EQ' as const })),
    ],
  }
}

/** How many system calls of the host a program in a container can reach. */
export const reachableSyscalls = (profile: SeccompProfile): number =>
  new Set(profile.syscalls.filter(({ action }) => action === 'SCMP_ACT_ALLOW').flatMap(({ names }) => names)).size
