// A backup of a catalog in one file, in the format of catalog-backup.json (../backup.ts): each line
// has its checksum, and the last one the number of entries, so a damaged or truncated file is
// noticed.

import { existsSync } from 'node:fs';
import { writeFileDurable } from '../../../base/disk/durable-file.ts';
import { SteleError } from '../../../base/errors.ts';
import { randomId } from '../../../base/ids.ts';
import { systemFiles } from '../../../base/disk/files.ts';
import { readSnapshot, snapshotParts } from '../backup.ts';
import type { BackupContent } from '../backup.ts';

/** Keys of a catalog are nobody else's business. */
const MODE = 0o600;

/** Throws CONFLICT if there is a file at `path`, and IO and DISK_FULL, with no file left. */
export async function writeBackupFile(path: string, content: BackupContent): Promise<void> {
  if (existsSync(path)) {
    throw new SteleError(
      'CONFLICT',
      `${path} exists already, and nothing is overwritten; choose another name, or delete it.`,
    );
  }
  // No log continues from it.
  const parts = snapshotParts({ ...content, log: '' });
  await writeFileDurable(path, parts, `${path}.${randomId()}.tmp`, systemFiles, MODE);
}

/** Throws INPUT_NOT_FOUND and CORRUPT. */
export function readBackupFile(path: string): BackupContent {
  if (!existsSync(path)) {
    throw new SteleError('INPUT_NOT_FOUND', `There is no file ${path}; check its name.`);
  }
  const found = readSnapshot(path);
  if (found !== undefined && found.entries.length > 0) return found;
  throw new SteleError(
    'CORRUPT',
    `${path} is not a whole backup of a catalog: it is damaged, truncated, empty or something else; nothing was written. Use another backup.`,
  );
}
