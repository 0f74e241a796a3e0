// The glossary of docs/ARCHITECTURE.md, and the synonyms that comments must not use instead of a
// term.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PROJECT } from '../support/process/stele-process.ts';
import { readDoc, section, tableRows } from './markdown.ts';

/** Folders whose comments are checked, with all folders in them. */
const FOLDERS = [
  'access',
  'base',
  'bench',
  'cli',
  'client',
  'console',
  'datanode',
  'embedded',
  'loader',
  'master',
  'proto',
  'resp',
  'ring',
  'routing',
  'segment',
  'test',
  'transport',
];

const [terms, synonyms] = tablesOf(section(readDoc('docs/ARCHITECTURE.md'), 'Words'));
const banned = synonyms.flatMap(([words = '']) => words.split(', '));
const pattern = new RegExp(`\\b(?:${banned.join('|')})\\b`, 'i');

/** The rows of the first two tables of `text`, without their headings and rulers. */
function tablesOf(text: string): [string[][], string[][]] {
  const rows = tableRows(text).filter(([first]) => !/^-+$/.test(first ?? ''));
  const second = rows.findIndex(([first], at) => at > 0 && first === 'not');
  return [rows.slice(1, second), rows.slice(second + 1)];
}

/** The comments of a source text that stand on lines of their own, each on one line. */
function commentsOf(source: string): string[] {
  const blocks = source.match(/(?:^[ \t]*(?:\/\/|\/\*|\*).*\n)+/gm) ?? [];
  return blocks.map((block) =>
    block.replace(/^[ \t]*(?:\/\/|\/?\*+\/?)/gm, '').replace(/\s+/g, ' '),
  );
}

/** Each first banned word of a comment, with the words around it. */
function bannedIn(source: string): string[] {
  return commentsOf(source).flatMap((comment) => {
    const at = comment.search(pattern);
    return at < 0 ? [] : [comment.slice(Math.max(0, at - 30), at + 50)];
  });
}

test('the glossary has each term once', () => {
  const words = terms.map(([word]) => word);
  expect(words).toContain('epoch');
  expect([...new Set(words)]).toEqual(words);
  expect(words.filter((word) => pattern.test(word ?? ''))).toEqual([]);
});

test('a synonym is found in a comment, also across lines, and nowhere else', () => {
  expect(bannedIn('/** The byte behind the last. */\n')).toHaveLength(1);
  expect(bannedIn('  // One turn of the\n  // event loop.\n')).toHaveLength(1);
  expect(bannedIn("/** The byte after the last. */\nconst text = 'behind';\n")).toEqual([]);
});

test.each(FOLDERS)('the comments of %s use the terms of the glossary', (folder) => {
  const files = readdirSync(join(PROJECT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.tsx?$/.test(name) && !/^gen\b|words\.test\.ts$/.test(name))
    .map((name) => join(folder, name));
  expect(files.length).toBeGreaterThan(0);
  const found = files.flatMap((file) =>
    bannedIn(readFileSync(join(PROJECT, file), 'utf8')).map((comment) => `${file}: ${comment}`),
  );
  expect(found).toEqual([]);
});
