/** Stands in for `string-width` in the bundled yargs: our help texts are ASCII, with colours at most. */
const { stripVTControlCharacters } = require('node:util')

module.exports = (text) => stripVTControlCharacters(text).length
