// A folder and the folders above it.

import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemErrorCode } from './errors.ts';

/**
 * Makes the folder and those above it that are missing; one that is there is left as it is. Throws the
 * system's error.
 *
 * Not `mkdirSync(path, { recursive: true })`: that never returns where a folder that is there answers ENOENT
 * to every mkdir in it, as /proc does.
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

/** Another process may make it at the same time. */
function mkdirIfMissing(path: string): void {
  try {
    mkdirSync(path);
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'EEXIST') throw thrown;
  }
}
