import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { VERBS } from '../../cli/verbs.ts';
import { PROJECT } from '../support/process/stele-process.ts';
import { anchorsOf, linkTargets, readDoc } from './markdown.ts';

const pages = [
  'README.md',
  'CHANGELOG.md',
  'data/README.md',
  ...['docs', 'docs/tutorials'].flatMap((folder) =>
    readdirSync(join(PROJECT, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
];

/** Why a link is broken; undefined if it is not. */
function brokenLink(page: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : join(dirname(page), path);
  if (!existsSync(join(PROJECT, file))) return `${target}: there is no ${file}`;
  if (anchor === undefined || anchorsOf(readDoc(file)).has(anchor)) return undefined;
  return `${target}: there is no heading #${anchor}`;
}

test.each(pages)('every relative link of %s leads to an existing file and heading', (page) => {
  const broken = linkTargets(readDoc(page)).map((target) => brokenLink(page, target));
  expect(broken.filter((problem) => problem !== undefined)).toEqual([]);
});

test.each(pages)('every verb that %s names is one of the command line', (page) => {
  // Code only: `stele load ...` in a span, or a line of a block that starts with it.
  const named = [...readDoc(page).matchAll(/(?:`|^ *(?:\$ )?)(?:npx )?stele ([a-z]+)/gm)];
  const unknown = named.map((match) => match[1] ?? '').filter((verb) => !VERBS.has(verb));
  expect(unknown).toEqual([]);
});

test('every page of docs/ is in its index', () => {
  const index = readDoc('docs/README.md');
  const missing = pages
    .filter((page) => page.startsWith('docs/') && page !== 'docs/README.md')
    .filter((page) => !index.includes(`](${page.slice('docs/'.length)})`));
  expect(missing).toEqual([]);
});

test('a link to a missing file or heading is detected', () => {
  expect(brokenLink('docs/errors.md', 'nowhere.md')).toContain('there is no docs/nowhere.md');
  expect(brokenLink('docs/errors.md', '#nowhere')).toContain('there is no heading');
  expect(linkTargets('see [this](a.md) and `[not](b.md)`')).toEqual(['a.md']);
});
