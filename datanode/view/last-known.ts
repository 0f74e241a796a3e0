// What the master said last, kept on disk, so that a datanode that is started while there is no master goes
// on serving by it:
//
//   <data-dir>/cluster/view               the last view; its modification time: when it was last known to be the present one
//   <data-dir>/cluster/<uid>-<version>    the manifest of a version
//
//   file: `stele-known 1 <cluster id> <sha256 of the rest>\n`, then the message in protobuf
//
// Files are written in the background, whole or not at all, and never waited for: a view that could not be
// saved costs a restart without a master the newest changes. Invariants: a file of another cluster, or one
// whose checksum is wrong, says nothing; one writer runs at a time; a file's newest content is written last.

import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackgroundTasks } from '../../base/background.ts';
import { sleep } from '../../base/clock.ts';
import { writeFileDurable } from '../../base/durable-file.ts';
import { systemErrorCode, toSteleError } from '../../base/errors.ts';
import { keyspaceUidOf } from '../../base/ids.ts';
import type { Logger } from '../../base/log.ts';
import type { VersionRef } from '../../proto/gen/stele/v1/datanode.ts';
import { Manifest } from '../../proto/gen/stele/v1/segment.ts';
import { ClusterView } from '../../proto/gen/stele/v1/view.ts';

const FIRST_WORDS = 'stele-known 1';
const VIEW_FILE = 'view';
const RETRY_MS = 1000;
const CLOSE_MS = 1000;
const CONFIRMED_EVERY_MS = 10_000;

/** What was kept of an earlier run. */
export interface Known {
  readonly view: ClusterView;
  readonly manifests: readonly Manifest[];
  /** Unix time of about when the view was last known to be the master's present one. */
  readonly currentAtMs: number;
}

export interface LastKnownOptions {
  /** The data folder. */
  readonly folder: string;
  /** Files are of this cluster; asked when one is written. */
  readonly clusterId: () => string;
  readonly background: BackgroundTasks;
  readonly log: Logger;
}

export class LastKnown {
  readonly #options: LastKnownOptions;
  readonly #folder: string;
  /** By file name, oldest first: makes what the file shall hold; undefined: it shall go. */
  readonly #todo = new Map<string, (() => Uint8Array) | undefined>();
  readonly #closing = new AbortController();
  #isWriting = false;
  #writing: Promise<void> = Promise.resolve();
  #confirmedAtMs = Number.NEGATIVE_INFINITY;
  #error = '';

  constructor(options: LastKnownOptions) {
    this.#options = options;
    this.#folder = join(options.folder, 'cluster');
  }

  /** What is on disk; undefined where there is no view of this cluster that can be trusted. */
  async read(): Promise<Known | undefined> {
    const body = await this.#readFile(VIEW_FILE);
    if (body === undefined) return undefined;
    const view = ClusterView.decode(body);
    const manifests: Manifest[] = [];
    for (const { fingerprints, uid, versions } of view.keyspaces) {
      for (const [at, version] of versions.entries()) {
        const found = await this.#readFile(manifestFile({ keyspaceUid: uid, version }));
        const manifest = found && Manifest.decode(found);
        // One of other content under the number was not replaced before the last run ended.
        if (manifest?.fingerprint === (fingerprints[at] ?? '')) manifests.push(manifest);
      }
    }
    const currentAtMs = (await stat(join(this.#folder, VIEW_FILE))).mtimeMs;
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

  /** The view that was saved last is the master's present one at `nowMs`, on the monotonic clock. */
  confirmed(nowMs: number): void {
    // What is on disk is an older one while this one cannot be written.
    if (this.#todo.has(VIEW_FILE)) return;
    if (nowMs - this.#confirmedAtMs < CONFIRMED_EVERY_MS) return;
    this.#confirmedAtMs = nowMs;
    this.#options.background.run('note that the view is the present one', async () => {
      const now = new Date();
      // Where there is no view yet there is nothing to note.
      await utimes(join(this.#folder, VIEW_FILE), now, now).catch(() => undefined);
    });
  }

  /** Resolves when nothing is being written any more, or the disk has hung for a second. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.race([this.#writing, sleep(CLOSE_MS)]);
  }

  #save(name: string, content: (() => Uint8Array) | undefined): void {
    // At the end: a view is written after the manifests that came before it.
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
        if (!(await this.#writeAll())) await sleep(RETRY_MS, this.#closing.signal);
      }
    } finally {
      this.#isWriting = false;
    }
  }

  /** False where something could not be written. */
  async #writeAll(): Promise<boolean> {
    for (const [name, content] of this.#todo) {
      try {
        await this.#write(name, content?.());
        this.#error = '';
      } catch (thrown) {
        // Tried again with the next round, unless something newer has come.
        const { code, message } = toSteleError(thrown, 'IO');
        if (message !== this.#error) {
          const text = `what the master said last cannot be saved: ${message}`;
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
      await rm(path, { force: true });
      return;
    }
    const head = Buffer.from(`${this.#head(body)}\n`);
    await mkdir(this.#folder, { recursive: true });
    await writeFileDurable(path, [head, body]);
  }

  #head(body: Uint8Array): string {
    const sha256 = createHash('sha256').update(body).digest('hex');
    return `${FIRST_WORDS} ${this.#options.clusterId()} ${sha256}`;
  }

  async #readFile(name: string): Promise<Uint8Array | undefined> {
    let bytes: Buffer;
    try {
      bytes = await readFile(join(this.#folder, name));
    } catch (thrown) {
      if (systemErrorCode(thrown) !== 'ENOENT') {
        this.#options.log.warn({ file: name, err: toSteleError(thrown) }, 'a file cannot be read');
      }
      return undefined;
    }
    const bodyAt = bytes.indexOf('\n') + 1;
    const body = bytes.subarray(bodyAt);
    if (bodyAt > 0 && bytes.toString('latin1', 0, bodyAt - 1) === this.#head(body)) return body;
    this.#options.log.warn({ file: name }, 'a file is damaged, or of another cluster: passed over');
    return undefined;
  }

  /** Removes the manifests of versions that no view will name any more. */
  async removeOthers(kept: readonly Manifest[]): Promise<void> {
    const names = new Set([VIEW_FILE, ...kept.map(manifestFile)]);
    for (const name of await readdir(this.#folder).catch(() => [])) {
      if (!names.has(name)) await rm(join(this.#folder, name), { force: true });
    }
  }
}

function manifestFile({ keyspaceUid, version }: VersionRef): string {
  return `${keyspaceUidOf(keyspaceUid)}-${version}`;
}
