// Writes the man pages to dist/man, at every build; with `docs`, docs/cli.md.
//
//   node dist/cli/reference/write.js [docs]

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { manPages } from './man.ts';
import { cliReference } from './markdown.ts';
import { verbPages } from './pages.ts';

const DIST = fileURLToPath(new URL('../..', import.meta.url));

const pages = await verbPages();
if (process.argv[2] === 'docs') {
  writeFileSync(join(DIST, '..', 'docs', 'cli.md'), cliReference(pages));
} else {
  const folder = join(DIST, 'man');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [name, text] of manPages(pages, buildDate())) writeFileSync(join(folder, name), text);
}

/** The day of the build, or that of https://reproducible-builds.org/specs/source-date-epoch/. */
function buildDate(): string {
  const epoch = process.env['SOURCE_DATE_EPOCH'];
  return new Date(epoch === undefined ? Date.now() : Number(epoch) * 1000)
    .toISOString()
    .slice(0, 10);
}
