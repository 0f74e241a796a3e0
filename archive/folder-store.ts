// An ObjectStore in a folder: a local disk, NFS, a mounted bucket.
//
//     ROOT/.incoming/<random>     being written; what a killed process left is removed a day later
//     ROOT/segments/.../X.seg     complete and synced before it got this name
//
// A name appears by a rename or, with `ifAbsent`, by a hard link, which fails if the name is taken.
// A file system without hard links gets the file by O_EXCL under its name instead; a reader then
// may find a part of it, which the hashes of an archive reveal.

import type { Dirent } from 'node:fs';
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sleep } from '../base/clock.ts';
import { syncFolder, writeFully } from '../base/disk/durable-file.ts';
import { SteleError, systemErrorCode, toSteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import { checkObjectName, checkPrefix } from './object-name.ts';
import type {
  ObjectBody,
  ObjectStore,
  PutOptions,
  StoreCallOptions,
  StoredObject,
} from './object-store.ts';

const PIECE_BYTES = 4 * 1024 * 1024;
const INCOMING = '.incoming';
const LEFTOVER_AGE_MS = 86_400_000;
const NO_HARD_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'ENOSYS', 'EMLINK']);
/** File systems of mounted buckets do not sync folders. */
const NO_FOLDER_SYNC: ReadonlySet<string> = new Set(['EINVAL', 'ENOTSUP', 'ENOSYS', 'EBADF']);

export class FolderStore implements ObjectStore {
  readonly url: string;
  readonly #root: string;
  #isPrepared: Promise<void> | undefined;

  /** `url`: for messages. The parent of the folder `root` must exist. */
  constructor(root: string, url: string) {
    this.#root = root;
    this.url = url;
  }

  async put(name: string, body: ObjectBody, options: PutOptions = {}): Promise<void> {
    const path = this.#pathOf(name);
    await this.#explained(name, async () => {
      this.#isPrepared ??= this.#prepare();
      await this.#isPrepared.catch((thrown: unknown) => {
        this.#isPrepared = undefined;
        throw thrown;
      });
      await this.#makeFolders(dirname(path));
      const temporary = join(this.#root, INCOMING, randomId());
      try {
        await writeNew(temporary, body, options);
        if (options.ifAbsent === true) await this.#claim(temporary, path, name, body, options);
        else await rename(temporary, path);
      } finally {
        await rm(temporary, { force: true });
      }
      await syncEntries(dirname(path));
    });
  }

  async #claim(
    temporary: string,
    path: string,
    name: string,
    body: ObjectBody,
    options: PutOptions,
  ): Promise<void> {
    try {
      await link(temporary, path);
    } catch (thrown) {
      const code = systemErrorCode(thrown) ?? '';
      if (code === 'EEXIST') throw taken(this.url, name);
      if (!NO_HARD_LINKS.has(code)) throw thrown;
      await this.#createExclusively(path, name, body, options);
    }
  }

  async #createExclusively(
    path: string,
    name: string,
    body: ObjectBody,
    options: PutOptions,
  ): Promise<void> {
    try {
      await writeNew(path, body, options);
    } catch (thrown) {
      if (systemErrorCode(thrown) === 'EEXIST') throw taken(this.url, name);
      await rm(path, { force: true });
      throw thrown;
    }
  }

  async read(
    name: string,
    into: Uint8Array,
    start: number,
    options: StoreCallOptions = {},
  ): Promise<void> {
    const path = this.#pathOf(name);
    await this.#explained(name, async () => {
      const file = await open(path, 'r');
      try {
        for (let done = 0; done < into.length;) {
          await pause(options, 0);
          const length = Math.min(PIECE_BYTES, into.length - done);
          const { bytesRead } = await file.read(into, done, length, start + done);
          if (bytesRead === 0) throw endsEarly(this.url, name, start + done, start + into.length);
          done += bytesRead;
          await pause(options, bytesRead);
        }
      } finally {
        await file.close();
      }
    });
  }

  localPath(name: string): string {
    return this.#pathOf(name);
  }

  async stat(name: string): Promise<StoredObject | undefined> {
    const path = this.#pathOf(name);
    return await this.#explained(name, async () => {
      try {
        return objectOf(name, await stat(path));
      } catch (thrown) {
        if (isMissing(thrown)) return undefined;
        throw thrown;
      }
    });
  }

  async *list(prefix: string, options: StoreCallOptions = {}): AsyncGenerator<StoredObject> {
    const folder = checkPrefix(prefix).slice(0, prefix.lastIndexOf('/') + 1);
    if (folder === '') await this.#explained('', () => stat(this.#root));
    yield* this.#listFolder(folder, prefix, options);
  }

  /** `folder`: empty, or ending with `/`. */
  async *#listFolder(
    folder: string,
    prefix: string,
    options: StoreCallOptions,
  ): AsyncGenerator<StoredObject> {
    const path = join(this.#root, folder);
    const entries = await this.#explained(folder, () =>
      readdir(path, { withFileTypes: true }).catch((thrown: unknown): Dirent[] => {
        if (isMissing(thrown)) return [];
        throw thrown;
      }),
    );
    // With the slash, so that the order is that of the whole names.
    const names = entries
      .filter((entry) => !entry.name.startsWith('.'))
      .map((entry) => `${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`)
      .sort();
    for (const name of names) {
      await pause(options, 0);
      const isWithin = name.startsWith(prefix) || (name.endsWith('/') && prefix.startsWith(name));
      if (!isWithin) continue;
      if (name.endsWith('/')) yield* this.#listFolder(name, prefix, options);
      else {
        const found = await this.stat(name).catch(() => undefined);
        if (found !== undefined) yield found;
      }
    }
  }

  async delete(names: readonly string[], options: StoreCallOptions = {}): Promise<void> {
    const folders = new Set<string>();
    for (const name of names) {
      await pause(options, 0);
      const path = this.#pathOf(name);
      await this.#explained(name, () => rm(path, { force: true }));
      folders.add(dirname(path));
    }
    for (const folder of folders) {
      await this.#explained('', () =>
        syncEntries(folder).catch((thrown: unknown) => {
          if (!isMissing(thrown)) throw thrown;
        }),
      );
    }
  }

  close(): void {
    // Nothing is open between calls.
  }

  #pathOf(name: string): string {
    return join(this.#root, checkObjectName(name));
  }

  /**
   * Creates the root (not its parents: a folder that is not mounted must not appear) and tidies it.
   */
  async #prepare(): Promise<void> {
    await makeOne(this.#root);
    const incoming = join(this.#root, INCOMING);
    await makeOne(incoming);
    for (const name of await readdir(incoming)) {
      const path = join(incoming, name);
      const found = await stat(path).catch(() => undefined);
      const isOld = found !== undefined && Date.now() - found.mtimeMs > LEFTOVER_AGE_MS;
      if (isOld) await rm(path, { force: true });
    }
  }

  async #makeFolders(folder: string): Promise<void> {
    const first = await mkdir(folder, { recursive: true });
    if (first === undefined) return;
    for (let at = folder; at.length >= first.length; at = dirname(at)) {
      await syncEntries(dirname(at));
    }
  }

  async #explained<Result>(name: string, run: () => Promise<Result>): Promise<Result> {
    try {
      return await run();
    } catch (thrown) {
      throw explain(thrown, this.url, name);
    }
  }
}

async function writeNew(path: string, body: ObjectBody, options: PutOptions): Promise<void> {
  const file = await open(path, 'wx', 0o644);
  try {
    for (let start = 0; start < body.byteCount; start += PIECE_BYTES) {
      const end = Math.min(body.byteCount, start + PIECE_BYTES);
      await pause(options, end - start);
      await writeFully(file, await body.read(start, end));
    }
    await file.sync();
  } finally {
    await file.close();
  }
}

async function makeOne(folder: string): Promise<void> {
  try {
    await mkdir(folder);
    await syncEntries(dirname(folder));
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'EEXIST') throw thrown;
  }
}

async function syncEntries(folder: string): Promise<void> {
  try {
    await syncFolder(folder);
  } catch (thrown) {
    if (!NO_FOLDER_SYNC.has(systemErrorCode(thrown) ?? '')) throw thrown;
  }
}

/** Notes `byteCount` bytes, waits as `pace` says, and throws CANCELLED after an abort. */
async function pause({ pace, signal }: StoreCallOptions, byteCount: number): Promise<void> {
  const pauseMs = byteCount === 0 ? 0 : (pace?.(byteCount) ?? 0);
  if (pauseMs > 0) await sleep(pauseMs, signal);
  if (signal?.aborted === true) throw new SteleError('CANCELLED', 'The call was cancelled.');
}

function objectOf(
  name: string,
  found: { readonly size: number; readonly mtimeMs: number; isFile(): boolean },
): StoredObject | undefined {
  if (!found.isFile()) return undefined;
  return { name, byteCount: found.size, modifiedMs: Math.floor(found.mtimeMs) };
}

function isMissing(thrown: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemErrorCode(thrown) ?? '');
}

function taken(url: string, name: string): SteleError {
  return new SteleError('CONFLICT', `${url}: '${name}' is there already.`);
}

function endsEarly(url: string, name: string, at: number, end: number): SteleError {
  return new SteleError('CORRUPT', `${url}: '${name}' ends at byte ${at}, before ${end}.`);
}

const REASONS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOENT: ['NOT_FOUND', 'there is no such file or folder; check the URL, and that it is mounted'],
  ENOTDIR: ['NOT_FOUND', 'a part of the path is a file and not a folder; check the URL'],
  EACCES: ['PERMISSION_DENIED', 'this user may not use it; give the user access'],
  EPERM: ['PERMISSION_DENIED', 'the system does not permit it; check its owner and attributes'],
  EROFS: ['PERMISSION_DENIED', 'its file system is read-only; mount it for writing'],
  ENOSPC: ['DISK_FULL', 'the disk is full; free some space on it'],
  EDQUOT: ['DISK_FULL', 'the quota is used up; raise it, or free some space'],
  ESTALE: ['UNAVAILABLE', 'the file server no longer knows it; mount it again'],
  ETIMEDOUT: ['UNAVAILABLE', 'the file server does not answer; check the mount'],
};

function explain(thrown: unknown, url: string, name: string): SteleError {
  if (thrown instanceof SteleError) return thrown;
  const code = systemErrorCode(thrown);
  const reason = REASONS[code ?? ''];
  if (reason === undefined) return toSteleError(thrown, 'IO');
  const where = name === '' ? url : `${url}: '${name}'`;
  return new SteleError(reason[0], `${where}: ${reason[1]} (${code}).`, { cause: thrown });
}
