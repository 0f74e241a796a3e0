import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { verifyFiles } from '../../datanode/verify-files.ts';
import { tempDir } from '../support/temp-dir.ts';

it('passes over a file that is deleted before its turn, and tells a bad one', async () => {
  const folder = tempDir();
  const bad = join(folder, 'bad.seg');
  writeFileSync(bad, 'no segment');
  const told: string[] = [];
  for await (const { error, path } of verifyFiles([join(folder, 'gone.seg'), bad])) {
    told.push(`${path}: ${error?.code}`);
  }
  expect(told).toEqual([`${bad}: CORRUPT`]);
});
