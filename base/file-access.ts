// Whether this process may use files and folders that are there, asked before they are used: what meets the
// refusal later tells less, or does not live to tell (lmdb needs a lock file that it can write).

import { accessSync, constants, statSync } from 'node:fs';
import { SteleError, systemErrorCode } from './errors.ts';

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'the user of this process may not read and write it; give that user access',
  EPERM: 'the system does not permit to write it; check its owner and attributes',
  EROFS: 'its file system is read-only; mount it for writing',
};

/**
 * Throws IO with a sentence where this process may not read and write `path`, or, in a folder, make and remove
 * files. What is missing, or fails otherwise, is for its user to find out.
 */
export function requireAccess(path: string): void {
  const { R_OK, W_OK, X_OK } = constants;
  try {
    const isFolder = statSync(path).isDirectory();
    accessSync(path, isFolder ? R_OK | W_OK | X_OK : R_OK | W_OK);
  } catch (thrown) {
    const code = systemErrorCode(thrown) ?? '';
    const reason = REASONS[code];
    if (reason === undefined) return;
    throw new SteleError('IO', `${path} cannot be used (${code}): ${reason}.`, { cause: thrown });
  }
}
