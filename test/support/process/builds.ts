// Builds by real processes.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { encodeBuildMark } from '../../../archive/builds/layout.ts';
import { someMark } from '../builds.ts';
import { tempDir } from '../temp-dir.ts';
import { SteleProcess, stele, until } from './stele-process.ts';
import type { Finished } from './stele-process.ts';

const SHARDS = 16;
/** Small pieces, so that there are many moments at which a task can be killed. */
export const CHUNKED = ['--chunk-size', '64KiB', '--workers', '1'];

export interface BuildFolder {
  readonly folder: string;
  /** The file of rows: csv with line ends in quotes. */
  readonly input: string;
  readonly url: string;
  /** Names of objects below a folder of the build. */
  readonly stored: (name: string) => string[];
  readonly start: (...args: readonly string[]) => SteleProcess;
  /** Runs `stele build prices ARGS --out URL`. */
  readonly build: (...args: readonly string[]) => Promise<Finished>;
  /** The digest that one load of the input would have. */
  readonly loadDigest: () => Promise<string>;
}

/** A build in a folder that is removed with the test, and `rows` rows to build of. */
export function buildFolder(rows: number): BuildFolder {
  const folder = tempDir();
  const input = csvFile(folder, rows);
  const store = join(folder, 'store');
  mkdirSync(store);
  writeFileSync(join(store, 'stele-build.json'), encodeBuildMark(someMark({ shardCount: SHARDS })));
  const url = pathToFileURL(store).href;
  const start = (...args: readonly string[]): SteleProcess =>
    new SteleProcess(['build', 'prices', ...args, '--out', url], { cwd: folder });
  return {
    folder,
    input,
    url,
    stored: (name) => {
      const path = join(store, name);
      return existsSync(path) ? readdirSync(path).sort() : [];
    },
    start,
    build: (...args) => start(...args).finished(),
    loadDigest: async () => {
      const flags = ['--dry-run', '--shards', String(SHARDS), '-o', 'json'];
      const { stdout } = await stele(['load', 'prices', input, ...flags], { cwd: folder });
      return (JSON.parse(stdout) as { readonly digest: string }).digest;
    },
  };
}

/** Kills the process when `condition` holds, or lets it end. Resolves with whether it was killed. */
export async function killOnce(running: SteleProcess, condition: () => boolean): Promise<boolean> {
  let hasEnded = false;
  void running.finished().then(() => (hasEnded = true));
  await until('the moment to kill it', () => hasEnded || condition(), 120_000, 2);
  return (await running.kill('SIGKILL')).signal === 'SIGKILL';
}

/** Writes `prices.csv` with the columns `sku` and `name`, and returns its path. */
export function csvFile(folder: string, rows: number): string {
  let text = 'sku,name\n';
  for (let row = 0; row < rows; row++) {
    const key = createHash('md5').update(String(row)).digest('hex');
    text += `${key},"name ""${row}""\nof ${'x'.repeat(row % 60)}"\n`;
  }
  const path = join(folder, 'prices.csv');
  writeFileSync(path, text);
  return path;
}
