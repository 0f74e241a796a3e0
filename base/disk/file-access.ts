// Access checks before files and folders are used. A later failure is less specific, or ends the
// process (lmdb needs a lock file that it can write).

import { constants } from 'node:fs';
import { SteleError, systemErrorCode } from '../errors.ts';
import { systemFiles } from './files.ts';

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'the user of this process may not read and write it; give that user access',
  EPERM: 'the system does not permit to write it; check its owner and attributes',
  EROFS: 'its file system is read-only; mount it for writing',
};

/**
 * Rejects with IO and an explanation if this process may not read and write `path`, or, in a
 * folder, create and remove files. Ignores missing files and other failures, which surface on use.
 */
export async function requireAccess(path: string, files = systemFiles): Promise<void> {
  const { R_OK, W_OK, X_OK } = constants;
  try {
    const isFolder = (await files.stat(path)).isDirectory();
    await files.access(path, isFolder ? R_OK | W_OK | X_OK : R_OK | W_OK);
  } catch (thrown) {
    const code = systemErrorCode(thrown) ?? '';
    const reason = REASONS[code];
    if (reason === undefined) return;
    throw new SteleError('IO', `${path} cannot be used (${code}): ${reason}.`, { cause: thrown });
  }
}
