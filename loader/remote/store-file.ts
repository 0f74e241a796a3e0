// Objects of an object store as input: s3://bucket/path/file.csv, or a pattern in the path.

import type { ObjectStore, StoredObject } from '../../archive/object-store.ts';
import { openStore } from '../../archive/open-store.ts';
import type { StoreSettings } from '../../archive/open-store.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { isGlob, matcherOf, plainStart } from './pattern.ts';
import { remoteChanged } from './remote-file.ts';
import type { RemoteFile } from './remote-file.ts';

const MiB = 1024 * 1024;
/** Read at once where the whole object is read as a stream. */
const STREAM_BYTES = 4 * MiB;
/** As of files (glob.ts). */
const OBJECTS_MAX = 200_000;

class StoreFile implements RemoteFile {
  readonly url: string;
  readonly sizeBytes: number;
  readonly identity: string;
  readonly modifiedMs: number;
  readonly #store: ObjectStore;
  readonly #name: string;
  readonly #found: StoredObject;

  constructor(store: ObjectStore, object: StoredObject) {
    const { byteCount, modifiedMs, name, tag } = object;
    this.#store = store;
    this.#name = name;
    this.url = `${store.url}/${name}`;
    this.sizeBytes = byteCount;
    this.modifiedMs = modifiedMs;
    this.#found = object;
    this.identity = tag ?? secondOf(modifiedMs);
  }

  async read(into: Uint8Array, start: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#store.read(this.#name, into, start, { signal, tag: this.#found.tag });
    } catch (thrown) {
      const error = toSteleError(thrown);
      if (error.code === 'CORRUPT' || error.code === 'NOT_FOUND') throw remoteChanged(this.url);
      throw error;
    }
  }

  async *stream(signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < this.sizeBytes; at += STREAM_BYTES) {
      const bytes = Buffer.allocUnsafe(Math.min(STREAM_BYTES, this.sizeBytes - at));
      await this.read(bytes, at, signal);
      yield bytes;
    }
  }

  close(): void {
    this.#store.close();
  }

  async check(): Promise<void> {
    const now = await this.#store.stat(this.#name);
    if (now === undefined || !isSame(now, this.#found)) throw remoteChanged(this.url);
  }
}

/**
 * The objects that an s3:// path names, by name. `isWanted` says whether an object that only a
 * pattern or a folder names is data. Throws INPUT_NOT_FOUND, and what a store throws.
 */
export async function storeFiles(
  path: string,
  isWanted: (name: string) => boolean,
  isDeep: boolean,
  settings: StoreSettings,
): Promise<RemoteFile[]> {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]*)\/?(.*)$/is.exec(path) ?? [];
  const store = await openStore(`s3://${bucket}`, settings);
  const shown = `'${shorten(path, 200)}'`;
  const isPattern = isGlob(key);
  if (key !== '' && !key.endsWith('/')) {
    const object = isPattern ? undefined : await store.stat(key);
    if (object !== undefined) return [new StoreFile(store, object)];
  }
  const folder = key === '' || key.endsWith('/') ? key : `${key}/`;
  const matches = isPattern ? await matcherOf(key) : (name: string) => isIn(folder, name, isDeep);
  const prefix = isPattern ? plainStart(key) : folder;
  const files: RemoteFile[] = [];
  for await (const object of store.list(prefix)) {
    const base = object.name.slice(object.name.lastIndexOf('/') + 1);
    if (!matches(object.name) || !isWanted(base)) continue;
    if (files.length === OBJECTS_MAX) {
      const text = `${shown} names more than ${OBJECTS_MAX} objects, the most that one load reads; name fewer.`;
      throw new SteleError('INVALID_ARGUMENT', text);
    }
    files.push(new StoreFile(store, object));
  }
  if (files.length > 0) return files;
  throw new SteleError(
    'INPUT_NOT_FOUND',
    isPattern
      ? `No object matches ${shown}.`
      : `There is no object ${shown}, and none in a folder of that name.`,
  );
}

/** A listing may lack the tags that a store knows. */
function isSame(one: StoredObject, other: StoredObject): boolean {
  if (one.byteCount !== other.byteCount) return false;
  if (one.tag !== undefined && other.tag !== undefined) return one.tag === other.tag;
  return secondOf(one.modifiedMs) === secondOf(other.modifiedMs);
}

/** Lists tell milliseconds, and the headers of an object seconds. */
function secondOf(unixMs: number): string {
  return `${Math.floor(unixMs / 1000)}`;
}

/** Directly in the folder, or with `isDeep` anywhere in it but in folders such as `_temporary`. */
function isIn(folder: string, name: string, isDeep: boolean): boolean {
  const inside = name.slice(folder.length).split('/');
  if (!name.startsWith(folder)) return false;
  return isDeep ? !inside.some((part) => /^[._]/.test(part)) : inside.length === 1;
}
