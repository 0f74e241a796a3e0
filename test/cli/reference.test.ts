// The man pages and docs/cli.md, which are written from the definitions of the verbs.

import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { beforeAll, expect, it } from 'vitest';
import { manPages } from '../../cli/reference/man.ts';
import { cliReference } from '../../cli/reference/markdown.ts';
import { EXIT_STATUS, verbPages } from '../../cli/reference/pages.ts';
import type { VerbPage } from '../../cli/reference/pages.ts';
import { VERBS } from '../../cli/verbs.ts';
import { readDoc } from '../docs/markdown.ts';
import { PROJECT } from '../support/process/stele-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { hasLibrary } from '../support/tools.ts';
import { stele } from './run-stele.ts';

let pages: VerbPage[];

beforeAll(async () => {
  pages = await verbPages();
});

it('docs/cli.md is what `npm run docs:cli` writes', async () => {
  const config = await resolveConfig(join(PROJECT, 'docs/cli.md'));
  const written = await format(cliReference(pages), { ...config, parser: 'markdown' });
  expect(readDoc('docs/cli.md')).toBe(written);
});

it('has every verb, and every flag and example of its help', async () => {
  expect(pages.map(({ name }) => name)).toEqual([...VERBS.keys()]);
  for (const { examples, global, name, options } of pages) {
    const { stdout } = await stele([name, '--help']);
    const inHelp = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, flag]) => flag);
    const listed = [...options, ...global].map(({ flags }) => /--[a-z-]+/.exec(flags)?.[0]);
    expect(new Set([...listed, '--help'])).toEqual(new Set(inHelp));
    expect(listed).toHaveLength(inHelp.length - 1);
    for (const example of examples) expect(stdout).toContain(example);
  }
});

it('has the exit codes of docs/operations.md', () => {
  const rows = readDoc('docs/operations.md').match(/^\| (?:[0-9]|129)[^|]*\|/gm) ?? [];
  const codes = rows.map((row) => row.replaceAll('|', '').trim());
  expect(EXIT_STATUS.map(([code]) => code)).toEqual(codes.slice(0, EXIT_STATUS.length));
});

it('man pages are free of warnings', () => {
  const folder = tempDir();
  const files = [...manPages(pages, '2026-11-01')].map(([name, text]) => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  });
  expect(files).toHaveLength(VERBS.size + 1);
  const lint = (program: string, ...words: string[]): void => {
    const found = hasLibrary(program, 'sh', ['-c', `command -v ${program}`], 'mandoc groff');
    if (!found) return;
    const { stderr, stdout } = spawnSync(program, [...words, ...files], { encoding: 'utf8' });
    expect(stderr + stdout).toBe('');
  };
  lint('mandoc', '-Tlint', '-Wwarning');
  lint('groff', '-man', '-ww', '-Tutf8', '-z');
});
