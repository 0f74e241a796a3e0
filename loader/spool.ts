// Inputs that cannot be read at any offset, written into the work folder as plain files first:
// standard input and compressed files.
//
// A spooled file is synced and then renamed, so a file of its final name is whole. A compressed
// input's spool is named after its path, size and time and is used again by a resumed load; standard
// input cannot be read twice, so it is spooled anew and known by its content (sha256) instead.

import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { SteleError, systemErrorCode, toSteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import { STDIN_PATH } from './inputs.ts';
import type { FoundInput } from './inputs.ts';

export interface Spooled {
  readonly path: string;
  /** Names the content: for standard input, the hash of all of it. */
  readonly identity: string;
}

/** Where a input's bytes can be read at any offset. `identity` is '' for what is read in place. */
export async function spoolInput(
  input: FoundInput,
  folder: string,
  stdin: Readable,
  signal: AbortSignal,
): Promise<Spooled> {
  if (input.path === STDIN_PATH) return await spoolStdin(folder, stdin, signal);
  if (input.compression === 'none') return { path: input.path, identity: '' };
  if (input.compression === 'zst') {
    throw new SteleError(
      'UNSUPPORTED',
      `'${shorten(input.path, 200)}': .zst is not supported yet; unpack it first (unzstd).`,
    );
  }
  const name = createHash('sha256')
    .update(JSON.stringify([input.path, input.sizeBytes, input.modifiedMs]))
    .digest('hex')
    .slice(0, 16);
  const path = join(folder, `${name}.spool`);
  if (!existsSync(path)) await unpack(input, path, folder, signal);
  return { path, identity: '' };
}

async function unpack(
  input: FoundInput,
  path: string,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await write(createReadStream(input.path), createGunzip(), path, folder, signal);
  } catch (thrown) {
    const code = systemErrorCode(thrown) ?? '';
    if (!code.startsWith('Z_')) throw toSteleError(thrown, 'IO');
    throw new SteleError(
      'INPUT_INVALID',
      `'${shorten(input.path, 200)}' is not a whole gzip file (${code}).`,
      { cause: thrown },
    );
  }
}

async function spoolStdin(folder: string, stdin: Readable, signal: AbortSignal): Promise<Spooled> {
  const hash = createHash('sha256');
  const path = join(folder, 'stdin.spool');
  const hashing = new Transform({
    transform: (part: Buffer, _encoding, done) => {
      hash.update(part);
      done(null, part);
    },
  });
  await write(stdin, hashing, path, folder, signal);
  return { path, identity: hash.digest('hex') };
}

async function write(
  from: Readable,
  through: Transform,
  path: string,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const temporary = `${path}.tmp`;
  try {
    const to = createWriteStream(temporary);
    await pipeline(from, through, to, { signal });
    const file = await open(temporary, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (thrown) {
    await rm(temporary, { force: true });
    if (signal.aborted) throw new SteleError('CANCELLED', 'Stopped while reading the input.');
    throw thrown;
  }
}
