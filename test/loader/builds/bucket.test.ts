// Builds in a bucket, and of objects of a bucket.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi, onTestFinished } from 'vitest';
import { readCompleteBuild } from '../../../archive/builds/complete-build.ts';
import { bodyOfBytes } from '../../../archive/open-store.ts';
import { ownS3 } from '../../support/s3/stores.ts';
import { failure, rowsText, write } from '../load-setup.ts';
import { allTasks, setUpBuild } from './build-setup.ts';

const CHUNKED = { chunkSize: 64 * 1024, workers: 1 };

async function setUpBucket() {
  const { s3, store } = await ownS3();
  for (const [name, value] of Object.entries(s3.environment)) vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  const setup = await setUpBuild({ url: s3.url, environment: s3.environment });
  return { s3, store, setup };
}

test('are made with two reads of each run, whatever the number of shards', async () => {
  const { s3, setup } = await setUpBucket();
  const paths = ['a', 'b'].map((name) =>
    write(setup.folder, `${name}.data`, rowsText(4000, name).text),
  );
  await allTasks(setup, paths, 3, CHUNKED);
  for (const part of ['1/2', '2/2']) await setup.merge(part);
  const reads = s3.operations.filter(({ key, what }) => what === 'GetObject' && /runs/.test(key));
  const runs = [...s3.objects.keys()].filter((key) => key.includes('/runs/'));
  expect(reads).toHaveLength(runs.length * 2 * 2);
  const here = await setUpBuild();
  await allTasks(here, paths, 1);
  await here.merge();
  const [there, complete] = [
    await readCompleteBuild(setup.build, 'ks'),
    await readCompleteBuild(here.build, 'ks'),
  ];
  expect(there.segments).toEqual(complete.segments);
});

test('stand a store that fails now and then', async () => {
  const { s3, setup } = await setUpBucket();
  const path = write(setup.folder, 'a.data', rowsText(6000).text);
  let asked = 0;
  const faults = ['error', 'slow-down', 'lost', 'torn'] as const;
  s3.fault = () => (asked++ % 5 === 0 ? faults[((asked / 5) % 4) | 0] : undefined);
  await allTasks(setup, [path], 2, CHUNKED);
  expect(await setup.merge()).toMatchObject({ records: 6000, tasks: 2 });
});

test('a merge that broke off reads nothing twice, and repairs what its disk has damaged', async () => {
  const { s3, setup } = await setUpBucket();
  const path = write(setup.folder, 'a.data', rowsText(6000).text);
  await allTasks(setup, [path], 2, CHUNKED);
  s3.denied.add('PutObject');
  expect(await failure(setup.merge())).toMatchObject({ code: 'PERMISSION_DENIED' });
  s3.denied.clear();
  const [work = ''] = setup.leftBehind();
  const runs = join(setup.folder, 'work', work, 'runs');
  const run = join(runs, readdirSync(runs)[0] ?? '');
  const bytes = readFileSync(run);
  bytes[bytes.length - 9] = (bytes.at(-9) as number) ^ 1;
  writeFileSync(run, bytes);
  const before = s3.operations.length;
  expect(await setup.merge()).toMatchObject({ records: 6000 });
  const again = s3.operations.slice(before);
  expect(again.filter(({ key, what }) => what === 'GetObject' && /runs/.test(key))).toHaveLength(2);
});

test('objects are shared whole, and only those of the task are copied', async () => {
  const { s3, setup, store } = await setUpBucket();
  const sizes: number[] = [];
  const { text } = rowsText(90_000);
  const lines = text.split(/(?<=\n)/);
  for (let part = 0; part < 3; part++) {
    const rows = lines.filter((_, at) => at % 3 === part).join('');
    await store.put(`in/part-${part}.data`, bodyOfBytes(Buffer.from(rows)));
    sizes.push(Buffer.byteLength(rows));
  }
  const input = `${s3.url}/in/*.data`;
  const shares: number[] = [];
  for (const part of ['1/3', '2/3', '3/3']) shares.push((await setup.task([input], part)).bytes);
  expect(shares).toEqual(sizes);
  expect(await setup.merge()).toMatchObject({ records: 90_000 });
});
