// The second copy of the catalog: one JSON file, written durably after each commit, and the one
// before it. It is only read when the store beside it is damaged.
//
//   catalog-backup.json           {"format":1,"sha256":"...","body":"{\"revision\":7,\"entries\":[...]}"}
//   catalog-backup.previous.json  the same, one commit earlier
//
// The checksum is over the body's text, so that a file cut short or changed is never believed.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileDurable } from '../../base/durable-file.ts';
import type { Entry } from './port.ts';

const FORMAT = 1;
const NEWEST = 'catalog-backup.json';
const PREVIOUS = 'catalog-backup.previous.json';

export interface BackupContent {
  readonly revision: number;
  readonly entries: readonly Entry[];
}

/** Writes to `folder` one at a time; contents that come while one is written go out together. */
export class BackupWriter {
  readonly #folder: string;
  #pending: BackupContent | undefined;
  #writing: Promise<void> | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Resolves when `content`, or a newer one, is on disk. */
  async write(content: BackupContent): Promise<void> {
    this.#pending = content;
    // The file being written has an older content: wait for it, then see that ours is taken.
    await this.#writing?.catch(() => undefined);
    this.#writing ??= this.#writePending().finally(() => (this.#writing = undefined));
    await this.#writing;
  }

  async #writePending(): Promise<void> {
    const content = this.#pending;
    if (content === undefined) return;
    this.#pending = undefined;
    const newest = join(this.#folder, NEWEST);
    if (existsSync(newest)) await this.#keepPrevious(newest);
    await writeFileDurable(newest, [Buffer.from(encode(content))]);
  }

  /** By copy and rename, so that the newest file is there at every moment. */
  async #keepPrevious(newest: string): Promise<void> {
    const copy = join(this.#folder, `${PREVIOUS}.tmp`);
    await copyFile(newest, copy);
    await rename(copy, join(this.#folder, PREVIOUS));
  }
}

function encode(content: BackupContent): string {
  const body = JSON.stringify(content);
  return JSON.stringify({ format: FORMAT, sha256: sha256(body), body });
}

/** The newest intact backup in `folder`, with its file's name; undefined when there is none. */
export function readNewestBackup(
  folder: string,
): { readonly file: string; readonly content: BackupContent } | undefined {
  for (const file of [NEWEST, PREVIOUS]) {
    const content = readBackup(join(folder, file));
    if (content !== undefined) return { file, content };
  }
  return undefined;
}

function readBackup(path: string): BackupContent | undefined {
  try {
    const outer: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (!isEnvelope(outer) || sha256(outer.body) !== outer.sha256) return undefined;
    return JSON.parse(outer.body) as BackupContent;
  } catch {
    // Missing or not JSON: no backup, which is for the caller to judge.
    return undefined;
  }
}

interface Envelope {
  readonly format: number;
  readonly sha256: string;
  readonly body: string;
}

function isEnvelope(value: unknown): value is Envelope {
  if (typeof value !== 'object' || value === null) return false;
  const { format, sha256: sum, body } = value as Partial<Envelope>;
  return format === FORMAT && typeof sum === 'string' && typeof body === 'string';
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
