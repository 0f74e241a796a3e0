// What is refused, with a sentence that helps and an exit code; nothing is half done.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { buildFolder } from '../../support/process/builds.ts';
import { stele } from '../../support/process/stele-process.ts';
import { TestS3 } from '../../support/s3/s3-server.ts';

test('wrong usage has exit code 2', async () => {
  const { build, folder, input } = buildFolder(10);
  const wrong = await Promise.all([
    stele(['build', 'prices', input], { cwd: folder }),
    build(input, '--task', '9/8'),
    build('--task', '1/8'),
    build(input, '--merge'),
    stele(['build', 'prices', input, '--out', 'ftp://x/y'], { cwd: folder }),
  ]);
  expect(wrong.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2]);
  const said = [
    /Say where the build is with --out, such as file:\/\/\/mnt\/builds\/a/,
    /'9\/8' is no part of the work; give it as I\/N/,
    /Name at least one file, folder, glob or URL/,
    /--merge reads the results of the tasks; leave out the inputs/,
    /ftp:\/\/x\/y/,
  ];
  wrong.forEach(({ stderr }, at) => expect(stderr).toMatch(said[at] as RegExp));
});

test('a merge that lacks tasks lists them, and has exit code 4', async () => {
  const { build, input, stored } = buildFolder(100);
  expect((await build(input, '--task', '2/3')).code).toBe(0);
  const { code, stderr } = await build('--merge', '-o', 'json');
  expect(code).toBe(4);
  expect(JSON.parse(stderr.trim())).toMatchObject({
    error: {
      code: 'BUILD_INCOMPLETE',
      message: expect.stringMatching(
        /^2 of 3 tasks have no result at \S+: 1, 3\. Run them/,
      ) as string,
    },
  });
  expect(stored('segments')).toEqual([]);
});

test('a build of another keyspace, and one that nobody knows, are refused', async () => {
  const { folder, input, url } = buildFolder(10);
  const other = await stele(['build', 'geo', input, '--out', url], { cwd: folder });
  expect(other.code).toBe(1);
  expect(other.stderr).toContain(
    "is a build of the keyspace 'prices', not of 'geo'; name that one",
  );
  const nowhere = `file://${folder}/none`;
  const args = ['build', 'prices', input, '--out', nowhere, '--master', '127.0.0.1:1'];
  const unknown = await stele(args, { cwd: folder });
  expect(unknown.code).toBe(4);
  expect(unknown.stderr).toMatch(
    /no stele-build\.json\), and no master answers at 127\.0\.0\.1:1 .*`stele keyspace create prices --out \S+` where the master can be reached, or name the master with --master\./,
  );
});

test('a store that does not let it in has exit code 5', async () => {
  const { folder, input } = buildFolder(10);
  const s3 = await TestS3.start();
  onTestFinished(() => s3.stop());
  const env = { ...s3.environment, AWS_SECRET_ACCESS_KEY: 'wrong' };
  const { code, stderr } = await stele(['build', 'prices', input, '--out', s3.url], {
    cwd: folder,
    env,
  });
  expect({ code, stderr }).toMatchObject({ code: 5 });
  expect(stderr).toMatch(/^stele: .*credentials|rights|secret/i);
  expect(s3.objects.size).toBe(0);
});

test('a task of other input than before is refused, and so is input with two values', async () => {
  const { build, folder, input } = buildFolder(100);
  expect((await build(input, '--task', '1/2')).code).toBe(0);
  writeFileSync(input, 'sku,name\na,1\na,2\n');
  const changed = await build(input, '--task', '1/2');
  expect(changed.code).toBe(1);
  expect(changed.stderr).toMatch(/done before at \S+, and not as now: they saw different inputs/);
  writeFileSync(join(folder, 'store', 'note.txt'), 'what is not of the build does no harm');
  expect((await build(input, '--task', '1/1', '--header', 'yes')).code).toBe(0);
  const twice = await build('--merge');
  expect(twice.code).toBe(1);
  expect(twice.stderr).toMatch(/The key 'a' has two values: '1' in the chunk of .* \(task 1\)/);
});
