// A random word kept in the work folder. The master notes it with the load: whoever comes with it again
// is the same work folder, which only one process at a time can hold, so the load it names cannot be
// running any more. Without it, a loader killed between the master's note and its own checkpoint would
// be told for ten seconds that its own load is under way. For the same reason the folder stays where
// the master's answer was lost: it may have noted the load before.

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode, toSteleError } from '../../base/errors.ts';
import { randomId } from '../../base/ids.ts';

const PATTERN = /^[0-9a-f]{8,64}$/;

/** The word in the locked folder at `path`; made if it is not there, or is no such word. Throws IO. */
export function workToken(path: string): string {
  const file = fileIn(path);
  try {
    const text = readFileSync(file, 'utf8');
    if (PATTERN.test(text)) return text;
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'ENOENT') throw toSteleError(thrown, 'IO');
  }
  const token = randomId();
  try {
    writeFileSync(file, token);
  } catch (thrown) {
    throw toSteleError(thrown, 'IO');
  }
  return token;
}

/** Whether the folder has one: then the master may know of a load of it. */
export function hasWorkToken(path: string): boolean {
  return existsSync(fileIn(path));
}

/** Removes it: the master has said that it began no load. */
export function dropWorkToken(path: string): void {
  rmSync(fileIn(path), { force: true });
}

function fileIn(path: string): string {
  return join(path, 'token');
}
