import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeFolder } from '../../../base/disk/make-folder.ts';
import { tempDir } from '../../support/temp-dir.ts';

describe('a folder', () => {
  it('is made with those above it, and left as it is where it is there', () => {
    const path = join(tempDir(), 'a', 'b', 'c');
    makeFolder(path);
    writeFileSync(join(path, 'file'), '');
    makeFolder(path);
    expect(existsSync(join(path, 'file'))).toBe(true);
    expect(statSync(path).isDirectory()).toBe(true);
  });

  it('cannot be made where a file is, or in one', () => {
    const file = join(tempDir(), 'file');
    writeFileSync(file, '');
    expect(() => makeFolder(file)).toThrow(/EEXIST/);
    expect(() => makeFolder(join(file, 'a'))).toThrow(/ENOTDIR/);
  });

  it.runIf(existsSync('/proc/self'))('is an error where a folder takes none', () => {
    expect(() => makeFolder('/proc/nope/deeper')).toThrow(/ENOENT/);
  });
});
