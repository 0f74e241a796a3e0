import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { ReloadedFile } from '../../../base/disk/reloaded-file.ts';
import { tempDir } from '../../support/temp-dir.ts';

function open(path: string) {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
  let nowMs = 0;
  const parse = (text: string): number => {
    if (!/^\d+$/.test(text)) throw new Error('it is no number');
    return Number(text);
  };
  const file = new ReloadedFile({ path, what: '--number', parse, log, nowMs: () => nowMs });
  const later = (): number => {
    nowMs += 1000;
    return file.content;
  };
  return { file, later, lines };
}

it('has the content of the file, looked at again after a second', () => {
  const path = join(tempDir(), 'number');
  writeFileSync(path, '1');
  const { file, later, lines } = open(path);
  writeFileSync(path, '2');
  expect(file.content).toBe(1);
  expect(later()).toBe(2);
  expect(later()).toBe(2);
  expect(lines.join('')).toContain('the new content of --number is in use');
  expect(lines).toHaveLength(1);
});

it('keeps what it has while the file cannot be used, and says so once, at the second look', () => {
  const path = join(tempDir(), 'number');
  writeFileSync(path, '1');
  const { later, lines } = open(path);
  writeFileSync(path, '');
  expect(later()).toBe(1);
  expect(lines).toHaveLength(0);
  expect([later(), later()]).toEqual([1, 1]);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/--number is not used, that before stays: it is no number/);
  rmSync(path);
  expect([later(), later(), later()]).toEqual([1, 1, 1]);
  expect(lines).toHaveLength(2);
  writeFileSync(path, '3');
  expect(later()).toBe(3);
});

it('refuses at the start what cannot be read or used', () => {
  expect(() => open('/nowhere/at/all')).toThrow(/--number cannot be read: ENOENT/);
  const path = join(tempDir(), 'number');
  writeFileSync(path, 'x');
  expect(() => open(path)).toThrow(/no number/);
});
