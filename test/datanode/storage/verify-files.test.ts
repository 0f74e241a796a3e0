import { copyFileSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { namedFile, segmentFilesIn, verifyFiles } from '../../../datanode/storage/verify-files.ts';
import { TEST_UID, numberedPairs, segmentsOf } from '../../support/segments/segments.ts';
import { tempDir } from '../../support/temp-dir.ts';

it('skips a file that is deleted before its turn, and reports a bad one', async () => {
  const folder = tempDir();
  const bad = join(folder, 'bad.seg');
  writeFileSync(bad, 'no segment');
  const reported: string[] = [];
  for await (const { error, path } of verifyFiles([
    { path: join(folder, 'gone.seg') },
    { path: bad },
  ])) {
    reported.push(`${path}: ${error?.code}`);
  }
  expect(reported).toEqual([`${bad}: UNKNOWN_FORMAT`]);
});

it('lists the remaining files of a folder while others are deleted', async () => {
  const folder = tempDir();
  const keyspace = join(folder, 'node-0', 'segments', 'keyspace');
  mkdirSync(keyspace, { recursive: true });
  writeFileSync(join(folder, 'node-0', 'segments', 'a-file'), '');
  writeFileSync(join(keyspace, 'kept.seg'), '');
  // A name without a file, as between listing and reading a folder.
  symlinkSync(join(folder, 'nowhere'), join(keyspace, 'gone.seg'));
  const [only, ...others] = await segmentFilesIn(folder);
  expect([only?.path, others]).toEqual([join(keyspace, 'kept.seg'), []]);
  rmSync(keyspace, { recursive: true });
  expect(await segmentFilesIn(folder)).toEqual([]);
});

it('reports intact segments under the name of another, or in the folder of another keyspace', async () => {
  const folder = tempDir();
  const store = join(folder, 'node-0', 'segments');
  const other = 'fedcba9876543210';
  for (const uid of [TEST_UID, other]) mkdirSync(join(store, uid), { recursive: true });
  const paths = segmentsOf(numberedPairs(300), 4).map(({ bytes, info }) => {
    const path = join(store, TEST_UID, `${info.id}.seg`);
    writeFileSync(path, bytes);
    return path;
  });
  const badIn = async (): Promise<string[]> => {
    const bad: string[] = [];
    for await (const { error, path } of verifyFiles(await segmentFilesIn(folder))) {
      if (error !== undefined) bad.push(`${path} ${error.code} ${error.message}`);
    }
    return bad;
  };
  expect([paths.length, await badIn()]).toEqual([4, []]);

  const [one = '', two = '', three = '', four = ''] = paths.sort();
  renameSync(one, `${one}.aside`);
  renameSync(two, one);
  renameSync(`${one}.aside`, two);
  copyFileSync(four, three);
  copyFileSync(four, four.replace(TEST_UID, other));
  const swapped = [one, two, three].map((path) =>
    expect.stringMatching(`^${path} CORRUPT The segment named \\S+ is segment \\S+ of keyspace `),
  );
  expect((await badIn()).sort()).toEqual([
    ...swapped,
    expect.stringMatching(`in the folder of keyspace ${other} is segment `),
  ]);
  // The same if files are named one by one; a copy may have any name.
  const copy = join(folder, 'copy.seg');
  copyFileSync(four, copy);
  const named = [one, four, four.replace(TEST_UID, other), copy].map(namedFile);
  const good: string[] = [];
  for await (const { error, path } of verifyFiles(named)) if (error === undefined) good.push(path);
  expect(good).toEqual([four, copy]);
});
