// Builds the console into dist/console, if anything of it has changed since the last build.

import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('..', import.meta.url));
const dist = join(project, 'dist');
const built = join(dist, 'console');
const stampFile = join(dist, '.console-stamp');

/** A digest of everything that the output depends on. */
function stampOfSources() {
  const hash = createHash('sha256').update(readFileSync(join(project, 'package-lock.json')));
  const names = readdirSync(join(project, 'console'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  for (const name of names)
    hash.update(`${name.slice(project.length)}\0`).update(readFileSync(name));
  return hash.digest('hex');
}

function isCurrent(stamp) {
  try {
    return readFileSync(stampFile, 'utf8') === stamp && readdirSync(built).includes('index.html');
  } catch {
    return false;
  }
}

/** Renames, also while another build does the same. */
function replace(from, to) {
  for (let attempt = 1; ; attempt++) {
    rmSync(to, { recursive: true, force: true });
    try {
      return renameSync(from, to);
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
}

const stamp = stampOfSources();
if (!isCurrent(stamp)) {
  const { build } = await import('vite');
  // Put in place at once, as a master or another build may be reading.
  const fresh = join(dist, `.console-${process.pid}`);
  mkdirSync(dist, { recursive: true });
  try {
    await build({
      configFile: join(project, 'console', 'vite.config.mjs'),
      build: { outDir: fresh, emptyOutDir: true },
    });
    replace(fresh, built);
    writeFileSync(stampFile, stamp);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
