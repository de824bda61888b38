import { instancesKeepTheirPromises } from './inside.ts'
import { LEVELS } from './levels.ts'
import { runsKeepTheirPromises } from './runs.ts'

runsKeepTheirPromises(LEVELS.unikernel)
instancesKeepTheirPromises(LEVELS.unikernel)
