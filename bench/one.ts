// The process of one benchmark: node one.js NAME SETTINGS-AS-JSON. Sends its tables to the process
// that forked it.

import { BENCHES } from './benches/benches.ts';

const [name = '', settings = ''] = process.argv.slice(2);
const bench = BENCHES.get(name);
if (bench === undefined) throw new Error(`no benchmark is called ${name}`);
const tables = await bench.run(JSON.parse(settings) as Record<string, number>);
// Clients and servers that are still open end with the process.
process.send?.(tables, () => process.exit(0));
