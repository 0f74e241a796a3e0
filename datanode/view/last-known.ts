// Keeps on disk what the master said last, so that a datanode that is started without a master
// continues to serve by it:
//
//   <data-dir>/cluster/view               the last view; its modification time: when it was last known to be current
//   <data-dir>/cluster/<uid>-<version>    the manifest of a version
//
//   file: `stele-known 1 <cluster id> <sha256 of the rest>\n`, then the message in protobuf
//
// Files are written in the background and atomically, and nothing waits for them: after a view that
// could not be saved, a restart without a master misses the newest changes. Invariants: a file of
// another cluster, or with a wrong checksum, is ignored; one writer runs at a time; a file's newest
// content is written last.

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { BackgroundTasks } from '../../base/background.ts';
import { sleep } from '../../base/clock.ts';
import { writeFileDurable } from '../../base/disk/durable-file.ts';
import type { Env } from '../../base/env.ts';
import { systemErrorCode, toSteleError } from '../../base/errors.ts';
import type { Files } from '../../base/disk/files.ts';
import { parseKeyspaceUid } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import type { VersionRef } from '../../proto/gen/stele/v1/datanode.ts';
import { Manifest } from '../../proto/gen/stele/v1/segment.ts';
import { ClusterView } from '../../proto/gen/stele/v1/view.ts';

const FIRST_WORDS = 'stele-known 1';
const VIEW_FILE = 'view';
const RETRY_MS = 1000;
const CLOSE_MS = 1000;
const CONFIRMED_EVERY_MS = 10_000;

/** What an earlier process has kept. */
export interface Known {
  readonly view: ClusterView;
  readonly manifests: readonly Manifest[];
  /**
   * Unix time in ms at which the view was last known to be the master's current one, approximately.
   */
  readonly currentAtMs: number;
}

export interface LastKnownOptions {
  /** The data folder. */
  readonly folder: string;
  /** The cluster id to write into files; called for each write. */
  readonly clusterId: () => string;
  readonly env: Env;
  readonly background: BackgroundTasks;
  readonly log: Logger;
}

export class LastKnown {
  readonly #options: LastKnownOptions;
  readonly #folder: string;
  readonly #files: Files;
  /**
   * Pending writes by file name, oldest first; the function makes the content, undefined means
   * removal.
   */
  readonly #todo = new Map<string, (() => Uint8Array) | undefined>();
  readonly #closing = new AbortController();
  #isWriting = false;
  #writing: Promise<void> = Promise.resolve();
  #confirmedAtMs = Number.NEGATIVE_INFINITY;
  #error = '';

  constructor(options: LastKnownOptions) {
    this.#options = options;
    this.#folder = join(options.folder, 'cluster');
    this.#files = options.env.files;
  }

  /** Reads what is on disk; undefined if there is no trustworthy view of this cluster. */
  async read(): Promise<Known | undefined> {
    const body = await this.#readFile(VIEW_FILE);
    if (body === undefined) return undefined;
    const view = ClusterView.decode(body);
    const manifests: Manifest[] = [];
    for (const { fingerprints, uid, versions } of view.keyspaces) {
      for (const [at, version] of versions.entries()) {
        const found = await this.#readFile(manifestFile({ keyspaceUid: uid, version }));
        const manifest = found && Manifest.decode(found);
        // A manifest with other content under this number was not replaced before the process
        // ended.
        if (manifest?.fingerprint === (fingerprints[at] ?? '')) manifests.push(manifest);
      }
    }
    const currentAtMs = (await this.#files.stat(join(this.#folder, VIEW_FILE))).mtimeMs;
    return { view, manifests, currentAtMs };
  }

  saveView(view: ClusterView): void {
    this.#save(VIEW_FILE, () => ClusterView.encode(view).finish());
  }

  saveManifest(manifest: Manifest): void {
    this.#save(manifestFile(manifest), () => Manifest.encode(manifest).finish());
  }

  removeManifest(ref: VersionRef): void {
    this.#save(manifestFile(ref), undefined);
  }

  /**
   * Notes that the view saved last was the master's current one at `nowMs`, on the monotonic clock.
   */
  confirmed(nowMs: number): void {
    // The view on disk is an older one while the newest cannot be written.
    if (this.#todo.has(VIEW_FILE)) return;
    if (nowMs - this.#confirmedAtMs < CONFIRMED_EVERY_MS) return;
    this.#confirmedAtMs = nowMs;
    this.#options.background.run('note that the view is the present one', async () => {
      const now = new Date(this.#options.env.unixMs());
      // Before the first view there is no file to touch.
      const path = join(this.#folder, VIEW_FILE);
      await this.#files.utimes(path, now, now).catch(() => undefined);
    });
  }

  /** Resolves when no write is in progress any more, or the disk has hung for a second. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.race([this.#writing, sleep(CLOSE_MS, undefined, this.#options.env)]);
  }

  #save(name: string, content: (() => Uint8Array) | undefined): void {
    // Appended, so that a view is written after the manifests that arrived before it.
    this.#todo.delete(name);
    this.#todo.set(name, content);
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#writing = this.#drain();
    this.#options.background.run('save what the master said', () => this.#writing);
  }

  async #drain(): Promise<void> {
    try {
      while (this.#todo.size > 0 && !this.#closing.signal.aborted) {
        if (!(await this.#writeAll())) {
          await sleep(RETRY_MS, this.#closing.signal, this.#options.env);
        }
      }
    } finally {
      this.#isWriting = false;
    }
  }

  /** Returns false if something could not be written. */
  async #writeAll(): Promise<boolean> {
    for (const [name, content] of this.#todo) {
      try {
        await this.#write(name, content?.());
        this.#error = '';
      } catch (thrown) {
        // It is retried with the next round, unless something newer has come.
        const { code, message } = toSteleError(thrown, 'IO');
        if (message !== this.#error) {
          const text = `the last state from the master cannot be saved: ${message}`;
          this.#options.log.warn({ code, file: name }, text);
        }
        this.#error = message;
        return false;
      }
      if (this.#todo.get(name) === content) this.#todo.delete(name);
    }
    return true;
  }

  async #write(name: string, body: Uint8Array | undefined): Promise<void> {
    const path = join(this.#folder, name);
    if (body === undefined) {
      await this.#files.rm(path, { force: true });
      return;
    }
    const head = Buffer.from(`${this.#head(body)}\n`);
    await this.#files.mkdir(this.#folder, { recursive: true });
    await writeFileDurable(path, [head, body], undefined, this.#files);
  }

  #head(body: Uint8Array): string {
    const sha256 = createHash('sha256').update(body).digest('hex');
    return `${FIRST_WORDS} ${this.#options.clusterId()} ${sha256}`;
  }

  async #readFile(name: string): Promise<Uint8Array | undefined> {
    let bytes: Buffer;
    try {
      bytes = await this.#files.readFile(join(this.#folder, name));
    } catch (thrown) {
      if (systemErrorCode(thrown) !== 'ENOENT') {
        this.#options.log.warn({ file: name, err: toSteleError(thrown) }, 'a file cannot be read');
      }
      return undefined;
    }
    const bodyAt = bytes.indexOf('\n') + 1;
    const body = bytes.subarray(bodyAt);
    if (bodyAt > 0 && bytes.toString('latin1', 0, bodyAt - 1) === this.#head(body)) return body;
    this.#options.log.warn(
      { file: name },
      'a file is damaged or belongs to another cluster, and is ignored',
    );
    return undefined;
  }

  /** Removes the manifests of versions that no view will name any more. */
  async removeOthers(kept: readonly Manifest[]): Promise<void> {
    const names = new Set([VIEW_FILE, ...kept.map(manifestFile)]);
    for (const name of await this.#files.readdir(this.#folder).catch(() => [])) {
      if (!names.has(name)) await this.#files.rm(join(this.#folder, name), { force: true });
    }
  }
}

function manifestFile({ keyspaceUid, version }: VersionRef): string {
  return `${parseKeyspaceUid(keyspaceUid)}-${version}`;
}
