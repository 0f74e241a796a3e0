// Makes the secret of a cluster whose processes share a folder.

import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../base/errors.ts';

const FILE = 'cluster-secret';
const SECRET_BYTES = 32;

/** Where the secret of the cluster in `folder` is. */
export function secretFileIn(folder: string): string {
  return join(folder, FILE);
}

/** Makes the file, with a random secret, unless it is there. Throws system errors. */
export function makeSecretFile(path: string): void {
  const secret = `${randomBytes(SECRET_BYTES).toString('hex')}\n`;
  try {
    writeFileSync(path, secret, { flag: 'wx', mode: 0o600, flush: true });
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'EEXIST') throw thrown;
  }
}
