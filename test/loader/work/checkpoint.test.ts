import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect, it } from 'vitest';
import { CheckpointWriter, readCheckpoint } from '../../../loader/work/checkpoint.ts';
import type { Checkpoint } from '../../../loader/work/checkpoint.ts';
import { tempDir } from '../../support/temp-dir.ts';

const HEADER = {
  local: 'l',
  binding: 'b',
  loadId: 'load-1',
  keyspace: 'ks',
  flags: 'f',
  shardCount: 8,
  chunksExpected: 2,
};
const SHARD = { shard: 3, rows: 10, duplicates: 1, overruled: 0, nodes: ['a', 'b'] };

function written(folder: string): string {
  const writer = new CheckpointWriter(folder, HEADER, { chunks: [], shards: [] });
  writer.chunkDone({ index: 0, start: 0, end: 10 });
  writer.chunkDone({ index: 1, start: 10, end: 20 });
  writer.shardDone(SHARD);
  writer.committing();
  return readFileSync(join(folder, 'checkpoint.log'), 'utf8');
}

function read(folder: string): Checkpoint {
  const found = readCheckpoint(folder);
  if ('unusable' in found) throw new Error(found.unusable);
  return found;
}

it('what was written is read', () => {
  const folder = tempDir();
  expect(readCheckpoint(folder)).toEqual({ unusable: 'none' });
  written(folder);
  const found = read(folder);
  expect(found.header).toMatchObject(HEADER);
  expect([...found.chunks.keys()]).toEqual([0, 1]);
  expect(found.shards.get(3)).toMatchObject(SHARD);
  expect(found.isCommitting).toBe(true);
});

it('a log cut at any byte gives the lines before the cut', () => {
  const folder = tempDir();
  const text = written(folder);
  const headerEnd = text.indexOf('\n') + 1;
  for (let length = 0; length < text.length; length++) {
    writeFileSync(join(folder, 'checkpoint.log'), text.slice(0, length));
    const found = readCheckpoint(folder);
    if (length < headerEnd) {
      expect(found).toEqual({ unusable: 'its beginning is damaged' });
      continue;
    }
    const lines = text.slice(0, length).split('\n').length - 2;
    const { chunks, shards } = read(folder);
    expect(chunks.size + shards.size).toBe(Math.min(lines, 3));
    expect(read(folder).isCommitting).toBe(false);
  }
});

it('a flipped byte ends the log there', () => {
  const folder = tempDir();
  const text = written(folder);
  const lines = text.split('\n');
  const broken = [lines[0], lines[1]!.replace('"end":10', '"end":11'), ...lines.slice(2)];
  writeFileSync(join(folder, 'checkpoint.log'), broken.join('\n'));
  expect(read(folder).chunks.size).toBe(0);
});

it('a bit flipped anywhere loses the lines from there on, and invents none', () => {
  const folder = tempDir();
  const bytes = Buffer.from(written(folder));
  const whole = read(folder);
  const headerEnd = bytes.indexOf('\n');
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit += at < 300 ? 1 : 3) {
      const bad = Buffer.from(bytes);
      bad[at]! ^= 1 << bit;
      writeFileSync(join(folder, 'checkpoint.log'), bad);
      const found = readCheckpoint(folder);
      if (at <= headerEnd) {
        expect([at, bit, found]).toEqual([at, bit, { unusable: 'its beginning is damaged' }]);
        continue;
      }
      const { chunks, header, isCommitting, shards } = read(folder);
      expect(header).toEqual(whole.header);
      for (const [index, chunk] of chunks) expect(chunk).toEqual(whole.chunks.get(index));
      for (const [shard, done] of shards) expect(done).toEqual(whole.shards.get(shard));
      expect(chunks.size + shards.size + Number(isCommitting)).toBeLessThan(4);
    }
  }
});

it('a file of somebody else, even with a right checksum, is no checkpoint', () => {
  const folder = tempDir();
  for (const text of ['', '\n', '00000000 \n', 'hello\nworld\n', '\u0000'.repeat(500)]) {
    writeFileSync(join(folder, 'checkpoint.log'), text);
    expect(readCheckpoint(folder)).toEqual({ unusable: 'its beginning is damaged' });
  }
  for (const json of ['null', '5', '[]', '{"type":"chunk"}']) {
    const crc = crc32(json).toString(16).padStart(8, '0');
    writeFileSync(join(folder, 'checkpoint.log'), `${crc} ${json}\n`);
    expect(readCheckpoint(folder)).toEqual({ unusable: 'its beginning is damaged' });
  }
});

it('a log of a future format is recognised and not used', () => {
  const folder = tempDir();
  const json = JSON.stringify({ type: 'header', format: 9, ...HEADER });
  const crc = crc32(json).toString(16).padStart(8, '0');
  writeFileSync(join(folder, 'checkpoint.log'), `${crc} ${json}\n`);
  expect(readCheckpoint(folder)).toEqual({
    unusable: 'it has format 9, this release reads 3',
  });
});

it('a new log keeps what it is told to and nothing else', () => {
  const folder = tempDir();
  written(folder);
  const chunks = [{ index: 1, start: 10, end: 20 }];
  new CheckpointWriter(folder, { ...HEADER, loadId: 'load-2' }, { chunks, shards: [] });
  const found = read(folder);
  expect(found.header.loadId).toBe('load-2');
  expect([...found.chunks.keys()]).toEqual([1]);
  expect([found.shards.size, found.isCommitting]).toEqual([0, false]);
});
