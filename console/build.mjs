// Builds the console into dist/console, if anything of it has changed since the last build.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildOnce } from '../cli/build-once.mjs';

const project = fileURLToPath(new URL('..', import.meta.url));
const sources = readdirSync(join(project, 'console'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .sort();

await buildOnce({
  to: join(project, 'dist', 'console'),
  sources: [join(project, 'package-lock.json'), ...sources],
  build: async (outDir) => {
    const { build } = await import('vite');
    const configFile = join(project, 'console', 'vite.config.mjs');
    await build({ configFile, build: { outDir, emptyOutDir: true } });
  },
});
