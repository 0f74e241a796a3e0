import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { segmentFilesIn, verifyFiles } from '../../datanode/verify-files.ts';
import { tempDir } from '../support/temp-dir.ts';

it('passes over a file that is deleted before its turn, and tells a bad one', async () => {
  const folder = tempDir();
  const bad = join(folder, 'bad.seg');
  writeFileSync(bad, 'no segment');
  const told: string[] = [];
  for await (const { error, path } of verifyFiles([join(folder, 'gone.seg'), bad])) {
    told.push(`${path}: ${error?.code}`);
  }
  expect(told).toEqual([`${bad}: UNKNOWN_FORMAT`]);
});

it('lists what is there of a folder whose files are deleted meanwhile', async () => {
  const folder = tempDir();
  const keyspace = join(folder, 'node-0', 'segments', 'keyspace');
  mkdirSync(keyspace, { recursive: true });
  writeFileSync(join(folder, 'node-0', 'segments', 'a-file'), '');
  writeFileSync(join(keyspace, 'kept.seg'), '');
  // A name without a file behind it, as between the listing and the look at it.
  symlinkSync(join(folder, 'nowhere'), join(keyspace, 'gone.seg'));
  expect(await segmentFilesIn(folder)).toEqual([join(keyspace, 'kept.seg')]);
  rmSync(keyspace, { recursive: true });
  expect(await segmentFilesIn(folder)).toEqual([]);
});
