// What tests of whole loads share: rows, a fake cluster, a work folder, and `load` with its
// defaults.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { resolveSettings } from '../../base/config.ts';
import type { SteleError } from '../../base/errors.ts';
import { runLoad } from '../../loader/load.ts';
import type { LoadHooks } from '../../loader/load.ts';
import type * as LoadModule from '../../loader/load.ts';
import { loadSettings } from '../../loader/settings.ts';
import type { LoadSummary } from '../../loader/stages/progress.ts';
import { builtModule } from '../support/process/stele-process.ts';
import { tempDir } from '../support/temp-dir.ts';
import { startFakeCluster } from './fake-cluster.ts';
import type { FakeMaster } from './fake-cluster.ts';

/** The built loader, which has worker threads for inputs of more than 4 MiB. */
export async function builtRunLoad(): Promise<typeof runLoad> {
  return ((await import(builtModule('loader/load.ts'))) as typeof LoadModule).runLoad;
}

/** Rows of the line format with random keys, and what they are. */
export function rowsText(count: number, seed = 'a'): { text: string; pairs: Map<string, string> } {
  const pairs = new Map<string, string>();
  for (let row = 0; row < count; row++) {
    const key = createHash('md5').update(`${seed}${row}`).digest('hex');
    pairs.set(key, `value ${row} ${'x'.repeat(row % 40)}`);
  }
  const text = [...pairs].map(([key, value]) => `${key} ${value}\n`).join('');
  return { text, pairs };
}

export interface Setup {
  readonly master: FakeMaster;
  readonly folder: string;
  readonly load: (
    paths: string[],
    flags?: Record<string, unknown>,
    hooks?: LoadHooks,
  ) => Promise<LoadSummary>;
  readonly leftBehind: () => string[];
}

/** Master and datanodes, and the test's own folder. */
export async function setUp(nodeCount = 3, run: typeof runLoad = runLoad): Promise<Setup> {
  const master = await startFakeCluster(nodeCount);
  const folder = tempDir();
  const workDir = join(folder, 'work');
  const load: Setup['load'] = (paths, flags = {}, hooks = {}) => {
    const given = { master: master.address, workDir, replicaWait: 300, ...flags };
    const { values } = resolveSettings(loadSettings, { flags: given, environment: {}, file: {} });
    return run({ ...values, keyspace: 'ks', paths }, hooks);
  };
  const leftBehind = (): string[] => (existsSync(workDir) ? readdirSync(workDir) : []);
  return { master, folder, load, leftBehind };
}

/** Writes a file in the test's folder; returns its path. */
export function write(folder: string, name: string, text: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** The error of the load, which must be a SteleError. */
export async function failure(load: Promise<unknown>): Promise<SteleError> {
  const thrown = await load.then(
    () => undefined,
    (error: unknown) => error,
  );
  // By name: the built loader has a class of its own.
  expect(thrown).toMatchObject({ name: 'SteleError' });
  return thrown as SteleError;
}
