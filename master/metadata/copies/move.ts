// Moves of a whole catalog: from one store to another, into a file, and back.
//
// Invariants: the source stays as it is; a target has all of the catalog or nothing.

import { readBackupFile, writeBackupFile } from './backup-file.ts';
import { summaryOf } from './content.ts';
import type { ContentSummary } from './content.ts';
import type { Place } from './place.ts';

interface Copied extends ContentSummary {
  /** The master that led at the source, and may have changed it since. */
  readonly leader: string | undefined;
}

/**
 * Copies the catalog. If a master leads at the source, the copy may lack its last commits, so it is
 * marked as one from a backup is: the next master skips numbers. A mark of the source is kept.
 */
export async function copyCatalog(from: Place, to: Place): Promise<Copied> {
  // Asked twice, because one that ends during the read has led as well.
  const before = await from.leader();
  const content = await from.read();
  const leader = before ?? (await from.leader());
  await to.put({ ...content, restored: content.restored || leader !== undefined });
  return { ...summaryOf(content.entries), leader };
}

export async function backUpCatalog(from: Place, file: string): Promise<ContentSummary> {
  const content = await from.read();
  await writeBackupFile(file, content);
  // What is in the file is what counts.
  return summaryOf(readBackupFile(file).entries);
}

/** The next master skips numbers, because others may have seen some that the backup lacks. */
export async function restoreCatalog(file: string, to: Place): Promise<ContentSummary> {
  const content = readBackupFile(file);
  await to.put({ ...content, restored: true });
  return summaryOf(content.entries);
}
