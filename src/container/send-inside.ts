/**
 * Signals to what runs in a container. Without root it may have become one of the user's subordinate users, whom he may not
 * signal himself; whoever enters the user namespace of the container may. user_namespaces(7), kill(2)
 */
import { spawn } from 'node:child_process'
import { send } from '../host/signals.ts'
import { HOST_ENVIRONMENT } from './launch.ts'

/** @param pid negative for a process group @param runtimePid of the OCI runtime that runs the container */
export function sendInside(pid: number, signo: number, runtimePid: number | undefined): void {
  try {
    send(pid, signo)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM' || runtimePid === undefined) throw error
    const enter = ['--target', String(runtimePid), '--user', '--preserve-credentials', '--']
    const child = spawn('nsenter', [...enter, 'kill', `-${signo}`, '--', String(pid)], {
      stdio: 'ignore',
      env: HOST_ENVIRONMENT,
    })
    // Without it the program goes on, and ends with its container.
    child.on('error', () => {})
  }
}
