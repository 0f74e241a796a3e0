// The bundle that the command runs, as `npm run build` makes it.

import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { PROJECT } from '../support/process/stele-process.ts';
import { tempDir } from '../support/temp-dir.ts';

const dist = join(PROJECT, 'dist');
const bundle = join(dist, 'bundle');

/** The files that a command has loaded, in the words of V8. */
function loadedBy(...words: string[]): string[] {
  const folder = tempDir();
  const env = { ...process.env, NODE_V8_COVERAGE: folder };
  execFileSync(process.execPath, [join(dist, 'cli', 'main.js'), ...words], { env });
  return readdirSync(folder).flatMap((name) => {
    const { result } = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
      result: { url: string }[];
    };
    const urls = result.map(({ url }) => url).filter((url) => url.startsWith('file:'));
    return urls.map((url) => fileURLToPath(url));
  });
}

test('the command runs the bundle, and loads nothing of the product beside it', () => {
  const own = loadedBy('help', 'datanode').filter((path) => path.startsWith(dist));
  expect(own.filter((path) => !path.startsWith(bundle))).toEqual([join(dist, 'cli', 'main.js')]);
  expect(own).toContain(join(bundle, 'command-process.js'));
});

test('every package in the bundle has its license beside it', () => {
  const text = readFileSync(join(bundle, 'third-party.txt'), 'utf8');
  const packages = text.split(/\n-{80}\n\n/);
  expect(packages.length).toBeGreaterThan(20);
  for (const one of packages) {
    expect(one).toMatch(/^\S+ \d+\.\d+\.\d+\S* \([\w.-]+\)\n\n[^]*(?:license|licence|permission)/i);
  }
  const code = readdirSync(bundle).filter((name) => name.endsWith('.js'));
  const found = code.flatMap((name) => {
    const regions = readFileSync(join(bundle, name), 'utf8').matchAll(
      /^\/\/ ?(?:#region )?.*node_modules\/((?:@[^/]+\/)?[^/]+)\//gm,
    );
    return [...regions].map(([, packageName = '']) => packageName);
  });
  const missing = [...new Set(found)].filter((name) => !text.includes(`${name} `));
  expect(found.length).toBeGreaterThan(100);
  expect(missing).toEqual([]);
});
