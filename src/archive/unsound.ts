/** What came is no archive, or none as it should be: whoever sent it may have failed. */
import { HostError } from '../errors.ts'

export class UnsoundArchive extends HostError {}
