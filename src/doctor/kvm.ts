/** KVM: is it there, may we use it, does it make VMs, what is behind it, how fast is it. */
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { kvmBackend } from '../host/kvm-backend.ts'
import { type Check, fail, pass, warn } from './check.ts'

const DEVICE = '/dev/kvm'
/** Hardware does thousands, emulation two: anything between would be news. */
const SLOW_INSTRUCTIONS_PER_SECOND = 50e6

const device: Check = {
  id: 'kvm-device',
  title: 'KVM device',
  run() {
    const stat = statSync(DEVICE, { throwIfNoEntry: false })
    if (!stat) {
      return fail(
        `${DEVICE} is not there`,
        'Enable virtualization in the firmware and load kvm_intel or kvm_amd; in a VM ask for nested virtualization, in a container pass --device /dev/kvm.',
      )
    }
    if (!stat.isCharacterDevice()) return fail(`${DEVICE} is no device`, `Remove it and load the KVM module.`)
    try {
      accessSync(DEVICE, constants.R_OK | constants.W_OK)
    } catch {
      return fail(`${DEVICE} may not be opened by this user`, openingRemedy(stat, groupName(stat.gid)))
    }
    return pass(`${DEVICE} is there and may be opened`)
  },
}

/** To join the group helps only where there is one that may read and write. */
export function openingRemedy({ mode, gid }: { mode: number; gid: number }, group: string | undefined): string {
  const groupMayOpen = (mode & 0o060) === 0o060 && gid !== 0 && group !== undefined
  if (groupMayOpen) return `Join its group, then log in anew: sudo usermod -aG ${group} $USER`
  const mend = `sudo chgrp kvm ${DEVICE} && sudo chmod 660 ${DEVICE} && sudo usermod -aG kvm $USER`
  return `Run Cloister as root, or open the device to a group and log in anew: ${mend}`
}

/** group(5) */
function groupName(gid: number): string | undefined {
  try {
    const rows = readFileSync('/etc/group', 'utf8').split('\n')
    return rows.map((row) => row.split(':')).find((fields) => fields[2] === String(gid))?.[0]
  } catch {
    return undefined
  }
}

const createVm: Check = {
  id: 'kvm-create-vm',
  title: 'Virtual machine',
  async run() {
    const { missingCapabilities, tryVm } = await import('./try-vm.ts')
    const outcome = tryVm()
    if (outcome.error !== undefined) {
      return fail(
        `no VM can be made: ${outcome.error}`,
        'Mend the KVM device first; "dmesg | grep -i kvm" may say more.',
      )
    }
    const missing = missingCapabilities(outcome.capabilities)
    const facts = { apiVersion: outcome.apiVersion, milliseconds: outcome.milliseconds }
    if (missing.length > 0) {
      return fail(
        `this KVM lacks ${missing.join(', ')}`,
        'Use a newer host kernel: all of them are in Linux 5.10.',
        facts,
      )
    }
    return pass(`made one in ${outcome.milliseconds.toFixed(1)} ms (API version ${outcome.apiVersion})`, facts)
  },
}

const backend: Check = {
  id: 'kvm-backend',
  title: 'KVM backend',
  run() {
    if (!existsSync(DEVICE)) return warn('none', 'Mend the KVM device first.')
    const found = kvmBackend()
    if (!found) return warn('neither kvm_intel nor kvm_amd nor kvm_pvm is loaded', 'Go by the speed measured below.')
    const facts = { module: found.module, hardware: found.hardware }
    if (found.hardware) return pass(found.words, facts)
    return warn(found.words, 'Guests run; read no figure measured here as one of VMX or SVM.', facts)
  },
}

const kernelModeSpeed: Check = {
  id: 'kernel-mode-speed',
  title: 'Guest kernel mode',
  async run() {
    const { measureKernelModeSpeed } = await import('./kernel-mode-speed.ts')
    let instructionsPerSecond: number
    try {
      instructionsPerSecond = measureKernelModeSpeed()
    } catch (error) {
      return fail(`cannot be measured: ${(error as Error).message}`, 'Mend the lines above first.')
    }
    const millions = instructionsPerSecond / 1e6
    const words = `${millions >= 10 ? millions.toFixed(0) : millions.toFixed(1)} M instructions/s`
    const facts = { instructionsPerSecond: Math.round(instructionsPerSecond) }
    if (instructionsPerSecond >= SLOW_INSTRUCTIONS_PER_SECOND) return pass(words, facts)
    return warn(
      `${words}: KVM emulates kernel mode here, one instruction at a time`,
      'Programs still run at full speed, our guest kernel nearly so; a stock Linux guest would not. Hardware VMX or SVM is the cure.',
      facts,
    )
  },
}

/** Loaded when it runs: the bindings are a part of the start that a host without KVM need not pay. */
const kernels: Check = {
  id: 'guest-kernels',
  title: 'Kernels of your own',
  run: async () => (await import('./guest-kernels.ts')).examineGuestKernels(),
}

/** The same. */
const linux: Check = {
  id: 'guest-linux',
  title: 'Linux of microVMs',
  run: async () => (await import('./guest-linux.ts')).examineGuestLinux(),
}

/** The same. */
const rootImages: Check = {
  id: 'root-images',
  title: 'Root images of microVMs',
  run: async () => (await import('./root-images.ts')).examineRootImages(),
}

export const kvmChecks: readonly Check[] = [device, createVm, backend, kernelModeSpeed, kernels, linux, rootImages]
