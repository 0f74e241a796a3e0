// `stele up --load KEYSPACE=PATH`: loads files that are not the current version already.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { resolveSettings } from '../../base/config.ts';
import { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { runLoad } from '../../loader/load.ts';
import { loadSettings } from '../../loader/settings.ts';
import { shortSummary } from '../load-summary.ts';
import type { RequestedLoad } from './plan.ts';

export interface LoadContext {
  /** `host:port` of the master's gRPC. */
  readonly master: string;
  readonly dataDir: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Before anything is started: a path that is not there is told at once. Globs are the loader's. */
export function checkLoadPaths(loads: readonly RequestedLoad[]): void {
  for (const { path, keyspace } of loads) {
    if (/[*?[{]/.test(path) || existsSync(path)) continue;
    throw new SteleError(
      'INPUT_NOT_FOUND',
      `There is no file ${path} to load into ${keyspace}; check --load.`,
    );
  }
}

/** Loads one; returns the line that tells about it. Throws SteleError. */
export async function loadSample(load: RequestedLoad, context: LoadContext): Promise<string> {
  const { values } = resolveSettings(loadSettings, {
    flags: {
      master: context.master,
      skipIfCurrent: true,
      workDir: join(context.dataDir, 'loads'),
    },
    environment: {},
    file: {},
  });
  const summary = await runLoad(
    { ...values, keyspace: load.keyspace, paths: [load.path] },
    { log: context.log, signal: context.signal },
  );
  return shortSummary(summary);
}
