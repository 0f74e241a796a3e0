// The segment files in a datanode's data folder, as seen from outside.

import { closeSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';

export interface FileOnDisk {
  /** `<keyspace uid>/<segment id>.seg` */
  readonly name: string;
  readonly path: string;
  /** Changes whenever the file is rewritten, even with the same bytes. */
  readonly identity: string;
}

/** All segments under `dataDir`, by name; a file that is deleted in the meantime is left out. */
export function segmentFiles(dataDir: string): FileOnDisk[] {
  return segmentNames(dataDir).flatMap((name) => describe(rootOf(dataDir), name));
}

const rootOf = (dataDir: string): string => join(dataDir, 'segments');

function describe(root: string, name: string): FileOnDisk[] {
  const path = join(root, name);
  const identity = identityOf(path);
  return identity === '' ? [] : [{ name, path, identity }];
}

/** FileOnDisk.identity; '' if there is no such file. */
export function identityOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.ino}@${stat.mtimeMs}`;
}

/** Only their names, which tests poll. */
export function segmentNames(dataDir: string): string[] {
  const root = rootOf(dataDir);
  return entries(root)
    .flatMap((uid) => entries(join(root, uid)).map((id) => `${uid}/${id}`))
    .filter((name) => name.endsWith('.seg'))
    .sort();
}

/** Empty if the folder does not exist. */
function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Files that have the same name in both lists but were rewritten. */
export function rewritten(before: readonly FileOnDisk[], after: readonly FileOnDisk[]): string[] {
  const identities = new Map(before.map((file) => [file.name, file.identity]));
  return after
    .filter((file) => identities.has(file.name) && identities.get(file.name) !== file.identity)
    .map((file) => file.name);
}

/** Flips one bit of the byte at `at`, like a rotting disk. */
export function flipBit(path: string, at: number, bit = 4): void {
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  byte.writeUInt8(byte.readUInt8(0) ^ (1 << bit));
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}
