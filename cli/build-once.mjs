// A part of dist/ that is built from other files: again only if these have changed, and put in place
// at once, as a process or another build may be reading.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Builds the folder `to` unless it is there and was built from the same `sources` (paths of files).
 * `build` fills the folder that it is given.
 * @param {{ to: string, sources: readonly string[], build: (folder: string) => Promise<unknown> }} part
 */
export async function buildOnce({ to, sources, build }) {
  const stamp = digestOf(sources);
  const stampFile = join(to, '.stamp');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  const fresh = join(dirname(to), `.build-${process.pid}`);
  mkdirSync(fresh, { recursive: true });
  try {
    await build(fresh);
    writeFileSync(join(fresh, '.stamp'), stamp);
    replace(fresh, to);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** @param {readonly string[]} paths */
function digestOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths) hash.update(`${path}\0`).update(readFileSync(path));
  return hash.digest('hex');
}

/**
 * Renames, also while another build does the same.
 * @param {string} from @param {string} to
 */
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
