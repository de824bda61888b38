/** On what host the figures were taken: nothing on the page means anything without it. */
import type { HostFacts } from '../compare/host-facts.ts'
import { table } from './figure.ts'
import { type Html, html } from './html.ts'
import type { Section } from './page.ts'
import { figure } from './units.ts'

const HARDWARE = ['kvm_intel', 'kvm_amd']

/** The first thing to know. Only VMX and SVM are hardware: what runs a guest otherwise has costs of its own. */
export function kvmNotice({ kvmBackend, kernelModeInstructionsPerSecond, rows }: HostFacts): Html {
  if (kvmBackend === null) {
    return html`<div class="notice" id="kvm"><p><strong>No KVM on this host.</strong> No virtual machine could run; what is shown ran without one.</p></div>`
  }
  const words = rows.find(({ value }) => value.startsWith(kvmBackend))?.value ?? kvmBackend
  const speed =
    kernelModeInstructionsPerSecond === null
      ? undefined
      : html` Guest kernel mode ran at ${figure(kernelModeInstructionsPerSecond / 1e6)} million instructions a second.`
  if (HARDWARE.includes(kvmBackend)) {
    return html`<div class="notice plain" id="kvm"><p><strong>KVM backend: ${words}.</strong>${speed}</p></div>`
  }
  return html`<div class="notice" id="kvm"><p><strong><span aria-hidden="true">⚠ </span>KVM backend: ${words}.</strong>${speed}</p>
<p>This KVM is not VMX or SVM. What virtual machines cost here (start-up, system calls, exits) is not what they cost on hardware: compare only with figures of the same backend.</p></div>`
}

export const hostSection = (host: HostFacts): Section => ({
  id: 'host',
  title: 'Host',
  body: table(
    'Measured on this host, and asked for anew in this run',
    ['', 'found'],
    host.rows.map(({ name, value }) => [name, value]),
  ),
})
