// Creation of a folder and its parents.

import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemErrorCode } from '../errors.ts';

/**
 * Creates the folder and its missing parents; keeps an existing one as it is. Throws the system's
 * error.
 *
 * `mkdirSync(path, { recursive: true })` never returns if an existing folder answers ENOENT to
 * every mkdir in it, as /proc does.
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (thrown) {
    const code = systemErrorCode(thrown);
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    const above = dirname(path);
    if (code !== 'ENOENT' || above === path) throw thrown;
    makeFolder(above);
    mkdirIfMissing(path);
  }
}

/** Another process may create it at the same time. */
function mkdirIfMissing(path: string): void {
  try {
    mkdirSync(path);
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'EEXIST') throw thrown;
  }
}
