// The first user of a cluster with --auth on: `admin`, so that somebody can make the others.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolder } from '../../base/disk/make-folder.ts';
import { systemErrorCode } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { readPassword } from '../../transport/client-identity.ts';
import type { AccessOperations } from './access-operations.ts';

const FILE = 'admin-password';

export interface FirstAdminSettings {
  readonly dataDir: string;
  /**
   * A file with the password, made with a random one if there is none; empty: in the data folder.
   */
  readonly adminPasswordFile: string;
}

/**
 * Makes the user, unless somebody has the right `admin`. Its password is in a file before it
 * counts.
 */
export async function makeFirstAdmin(
  operations: AccessOperations,
  { adminPasswordFile, dataDir }: FirstAdminSettings,
  log: Logger,
): Promise<void> {
  const file = adminPasswordFile === '' ? join(dataDir, FILE) : adminPasswordFile;
  const passwordOf = (random: string): string => {
    if (adminPasswordFile === '') makeFolder(dataDir);
    writeIfNew(file, `${random}\n`);
    return readPassword(file);
  };
  if (await operations.ensureAdmin(passwordOf)) {
    log.warn({ file }, 'the user admin was made; its password is in this file');
  }
}

/** A file from an earlier start, which ended before the user was made, stays. */
function writeIfNew(file: string, text: string): void {
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o600, flush: true });
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'EEXIST') throw thrown;
  }
}
