import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { workToken } from '../../../loader/work/work-folder.ts';
import { tempDir } from '../../support/temp-dir.ts';

it('stays the same in one folder and differs between two', () => {
  const [one, other] = [tempDir(), tempDir()];
  expect(workToken(one)).toBe(workToken(one));
  expect(workToken(one)).not.toBe(workToken(other));
});

it('is made anew where the file holds no token', () => {
  const folder = tempDir();
  writeFileSync(join(folder, 'token'), '');
  const token = workToken(folder);
  expect(token).toMatch(/^[0-9a-f]{16}$/);
  expect(readFileSync(join(folder, 'token'), 'utf8')).toBe(token);
});
