import { kernelModeEmulated } from '../../helpers/microvm.ts'
import { instancesKeepTheirPromises } from './inside.ts'
import { LEVELS, stockMicrovm } from './levels.ts'
import { runsKeepTheirPromises } from './runs.ts'

runsKeepTheirPromises(LEVELS.microvm)
instancesKeepTheirPromises(LEVELS.microvm)
if (!kernelModeEmulated) {
  runsKeepTheirPromises(stockMicrovm)
  instancesKeepTheirPromises(stockMicrovm)
}
