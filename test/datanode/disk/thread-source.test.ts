import { randomBytes } from 'node:crypto';
import { readdirSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import type { BlockFile, BlockReceiver } from '../../../datanode/disk/block-source.ts';
import { ThreadSource } from '../../../datanode/disk/thread-source.ts';
import { silentLogger } from '../../../base/log.ts';
import { toSteleError } from '../../../base/errors.ts';
import { tempDir } from '../../support/temp-dir.ts';

const built = (path: string): string =>
  fileURLToPath(new URL(`../../../dist/datanode/disk/${path}`, import.meta.url));
const BLOCK = 4096;
const FILE_BYTES = 3_000_000;

const sources: ThreadSource[] = [];
const files: BlockFile[] = [];
afterEach(async () => {
  for (const file of files.splice(0)) file.close();
  for (const source of sources.splice(0)) await source.close();
});

function newSource(threads = 2, file = built('read-worker.js')): ThreadSource {
  const source = new ThreadSource({ file, threads, io: 'buffered', log: silentLogger });
  sources.push(source);
  return source;
}

/** A new file with random bytes, open in `source`. */
async function newFile(
  source: ThreadSource,
): Promise<{ bytes: Buffer; path: string; file: BlockFile }> {
  const path = join(tempDir(), 'file');
  const bytes = randomBytes(FILE_BYTES);
  writeFileSync(path, bytes);
  const file = await source.open(path);
  files.push(file);
  return { bytes, path, file };
}

interface Blocks {
  readonly bytes: Buffer;
  readonly crcs: number[];
}

function read(
  source: ThreadSource,
  file: BlockFile,
  position: number,
  length: number,
): Promise<Blocks> {
  return new Promise((resolve, reject) => {
    const receiver: BlockReceiver = {
      onBlocks: (bytes, at, crcs, crcAt) => {
        const count = Math.ceil(length / BLOCK);
        resolve({
          bytes: Buffer.from(bytes.subarray(at, at + length)),
          crcs: Array.from({ length: count }, (_, block) => crcs[crcAt + block] ?? 0),
        });
      },
      onReadFailed: reject,
    };
    source.read(file, position, length, BLOCK, receiver);
  });
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    (thrown: unknown) => toSteleError(thrown).code,
  );
}

/** The files below `folder` that this process has open. */
function openBelow(folder: string): number {
  const links = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
  return links.filter((link) => link.startsWith(folder)).length;
}

describe('reading threads', () => {
  it('give the bytes and the checksums of any stretch, many at once', async () => {
    const source = newSource(3);
    const { bytes, file } = await newFile(source);
    const stretches = Array.from({ length: 3000 }, (_, index) => {
      const position = Math.floor(Math.random() * (FILE_BYTES / BLOCK)) * BLOCK;
      const longest = index % 50 === 0 ? 500_000 : 20_000;
      const length = Math.min(1 + Math.floor(Math.random() * longest), FILE_BYTES - position);
      return [position, length] as const;
    });
    const found = await Promise.all(
      stretches.map(([position, length]) => read(source, file, position, length)),
    );
    for (const [index, [position, length]] of stretches.entries()) {
      const expected = bytes.subarray(position, position + length);
      expect(found[index]?.bytes.equals(expected)).toBe(true);
      const crcs: number[] = [];
      for (let at = 0; at < length; at += BLOCK)
        crcs.push(crc32(expected.subarray(at, at + BLOCK)));
      expect(found[index]?.crcs).toEqual(crcs);
    }
  });

  it('say that a file is shorter than it was', async () => {
    const source = newSource();
    const { file, path } = await newFile(source);
    truncateSync(path, 10_000);
    expect(await codeOf(read(source, file, 8192, 4096))).toBe('CORRUPT');
    expect(await codeOf(read(source, file, 0, 400_000))).toBe('CORRUPT');
    expect(await codeOf(read(source, file, 4096, 4096))).toBe('done');
  });

  it('close a file when the last read of it is done', async () => {
    const source = newSource();
    const { file, path } = await newFile(source);
    const reads = Array.from({ length: 600 }, () => read(source, file, 0, BLOCK));
    file.close();
    expect(openBelow(path)).toBe(1);
    await Promise.all(reads);
    await expect.poll(() => openBelow(path)).toBe(0);
  });

  it('fail what hangs after a second, and read on meanwhile', async () => {
    const source = newSource(2, fileURLToPath(new URL('./hanging-worker.mjs', import.meta.url)));
    const { bytes, file } = await newFile(source);
    const beganMs = performance.now();
    const hung = codeOf(read(source, file, 0, BLOCK));
    for (let round = 0; round < 20; round++) {
      const reads = [1, 2, 3].map((block) => read(source, file, block * BLOCK, BLOCK));
      const [first] = await Promise.all(reads);
      expect(first?.bytes.equals(bytes.subarray(BLOCK, 2 * BLOCK))).toBe(true);
    }
    expect(performance.now() - beganMs).toBeLessThan(900);
    expect(await hung).toBe('DEADLINE_EXCEEDED');
  });

  it('fail everything after a second if all of them hang, and recover', async () => {
    const source = newSource(2, fileURLToPath(new URL('./hanging-worker.mjs', import.meta.url)));
    const { file } = await newFile(source);
    const codes = await Promise.all(
      Array.from({ length: 2000 }, () => codeOf(read(source, file, 0, BLOCK))),
    );
    expect(new Set(codes)).toEqual(new Set(['DEADLINE_EXCEEDED']));
    await expect
      .poll(() => codeOf(read(source, file, BLOCK, BLOCK)), { timeout: 10_000 })
      .toBe('done');
  });
});
