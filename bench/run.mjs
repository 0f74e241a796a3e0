// `npm run bench -- NAME...`: runs the named benchmarks of this folder one after the other; without
// a name, all of them. Each prints Markdown for docs/benchmarks.md.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const known = readdirSync(folder)
  .filter(
    (name) =>
      name.endsWith('.mjs') && !['run.mjs', 'steady-reader.mjs', 'support.mjs'].includes(name),
  )
  .map((name) => name.slice(0, -'.mjs'.length))
  .sort();

const wanted = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`No benchmark is called ${unknown.join(', ')}; there are: ${known.join(', ')}.`);
  process.exit(2);
}
for (const name of wanted.length > 0 ? wanted : known) {
  const { status } = spawnSync(process.execPath, [join(folder, `${name}.mjs`)], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
