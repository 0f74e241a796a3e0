// Small files of the kinds that people have: each becomes the right table, or is refused with the
// flag that helps. The tables are written by hand; nothing of ours made them.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { resolveSettings } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { inputText } from '../../../loader/detect/found-dialect.ts';
import { runSample } from '../../../loader/sample.ts';
import { loadSettings } from '../../../loader/settings.ts';
import { tempDir } from '../../support/temp-dir.ts';
import type { Case } from './case.ts';
import { FILES } from './files.ts';
import { HEADERS } from './headers.ts';
import { TEXTS } from './texts.ts';

const CASES = [...HEADERS, ...TEXTS, ...FILES];

async function outcomeOf({ files, flags = {} }: Case) {
  const folder = tempDir();
  const paths = Object.entries(files).map(([name, content]) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  });
  const given = { workDir: join(tempDir(), 'work'), ...flags };
  const { values } = resolveSettings(loadSettings, { flags: given, environment: {}, file: {} });
  const settings = { ...values, keyspace: 'ks', paths: paths.length === 1 ? paths : [folder] };
  const notices: string[] = [];
  const onNotice = (sentence: string): void => void notices.push(sentence);
  const { dialects, records, rejected } = await runSample(settings, 100_000, { onNotice });
  const rows = records.map(({ key, value }) => [key.toString(), value.toString()]);
  return { rows, rejected, notices, text: inputText(dialects) };
}

it('has at least 120 files', () => {
  expect(CASES.length).toBeGreaterThanOrEqual(120);
  expect(new Set(CASES.map(({ name }) => name)).size).toBe(CASES.length);
});

it.for(CASES.filter(({ rows }) => rows !== undefined))('$name: the right table', async (found) => {
  const { notice, rejected = 0, rows, tells = [] } = found;
  const outcome = await outcomeOf(found);
  expect(outcome.rows).toEqual(rows);
  expect(outcome.rejected).toBe(rejected);
  for (const words of tells) expect(outcome.text).toContain(words);
  if (notice !== undefined) expect(outcome.notices.join('\n')).toContain(notice);
});

it.for(CASES.filter(({ asks }) => asks !== undefined))('$name: refused', async (found) => {
  const { asks = [], code = 'INPUT_AMBIGUOUS' } = found;
  const thrown: unknown = await outcomeOf(found).catch((error: unknown) => error);
  if (!(thrown instanceof SteleError)) throw new Error(`not refused: ${JSON.stringify(thrown)}`);
  for (const words of asks) expect(thrown.message).toContain(words);
  expect(thrown.code).toBe(code);
});
