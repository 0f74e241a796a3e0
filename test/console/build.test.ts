// The console as it is built into the package.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { PROJECT } from '../support/process/stele-process.ts';

const KB_MAX = 150;
const folder = join(PROJECT, 'dist', 'console');
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));
const textOf = (name: string): string => readFileSync(name, 'utf8');

test('all of it is small', () => {
  const sizes = files.map((name) => gzipSync(readFileSync(name)).length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(KB_MAX * 1000);
});

test('the page refers to its own files alone, and has nothing inline', () => {
  const page = textOf(join(folder, 'index.html'));
  const links = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, link = '']) => link);
  expect(links).toHaveLength(3);
  for (const link of links) {
    expect(link).toMatch(/^[.]\/console\/[\w-]+-[\w-]{8}[.](?:js|css|svg)$/);
    expect(files).toContain(join(folder, link));
  }
  expect(page).not.toMatch(/<style|style=|<script[^>]*>[^<]/);
});

test('no file loads anything from elsewhere', () => {
  for (const name of files) {
    const addresses = textOf(name).match(/(?:https?:)?\/\/[a-z][\w.-]+\.[a-z]{2,}/gi) ?? [];
    // Names of XML, which nobody loads.
    const others = addresses.filter((address) => !address.endsWith('//www.w3.org'));
    expect({ name, others }).toEqual({ name, others: [] });
  }
});
