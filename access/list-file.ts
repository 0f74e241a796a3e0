// The last list of users and roles, on the disk of a datanode, so that it decides without a master
// after a restart, too:
//
//   <data-dir>/access     `stele-access 1 <digest>\n`, then the list in protobuf; mode 0600
//
// A file that is damaged is ignored: nobody is let in until a master is reached.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileDurable } from '../base/disk/durable-file.ts';
import { systemErrorCode, toSteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { AccessList } from '../proto/gen/stele/v1/access.ts';
import { digestOf } from './access-list.ts';

const FIRST_WORDS = 'stele-access 1';
const MODE = 0o600;

/** The list in `folder`; undefined if there is none that can be used. */
export function readList(folder: string, log: Logger): AccessList | undefined {
  const path = pathIn(folder);
  try {
    const bytes = readFileSync(path);
    const end = bytes.indexOf('\n');
    const list = AccessList.decode(bytes.subarray(end + 1));
    if (bytes.toString('latin1', 0, end) === `${FIRST_WORDS} ${digestOf(list)}`) return list;
    log.warn({ file: path }, 'the file of users and roles is damaged and ignored');
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return undefined;
    log.warn({ file: path, err: toSteleError(thrown) }, 'users and roles cannot be read');
  }
  return undefined;
}

/** Replaces the list in `folder`. A failure is logged: the list before stays for the next start. */
export async function saveList(folder: string, list: AccessList, log: Logger): Promise<void> {
  const path = pathIn(folder);
  const head = Buffer.from(`${FIRST_WORDS} ${digestOf(list)}\n`, 'latin1');
  try {
    const parts = [head, AccessList.encode(list).finish()];
    await writeFileDurable(path, parts, undefined, undefined, MODE);
  } catch (thrown) {
    log.warn({ file: path, err: toSteleError(thrown) }, 'users and roles cannot be saved');
  }
}

function pathIn(folder: string): string {
  return join(folder, 'access');
}
