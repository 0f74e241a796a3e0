// `stele up --load KEYSPACE=PATH`: loads files unless they are already the current version.

import { join } from 'node:path';
import { resolveSettings } from '../../base/config.ts';
import { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { runLoad } from '../../loader/load.ts';
import { loadSettings } from '../../loader/settings.ts';
import type { TlsSource } from '../../transport/tls/tls-files.ts';
import { settingsOfSource } from '../../transport/tls/tls-settings.ts';
import { shortSummary } from '../load/load-summary.ts';
import type { RequestedLoad } from './plan.ts';

export interface LoadContext {
  /** `host:port` of the master's gRPC. */
  readonly master: string;
  readonly dataDir: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly tls: TlsSource | undefined;
  /**
   * How the loader shows that it belongs to the cluster; undefined: by its certificate, or not at
   * all.
   */
  readonly authorization: (() => string) | undefined;
}

/** The outcome of one load. */
export interface LoadedSample {
  readonly line: string;
  /**
   * The version did not pass its gate. The previous version is served, so the cluster starts all
   * the same.
   */
  readonly isRejected: boolean;
}

/** Loads one file. Throws SteleError. */
export async function loadSample(load: RequestedLoad, context: LoadContext): Promise<LoadedSample> {
  const { values } = resolveSettings(loadSettings, {
    flags: {
      master: context.master,
      ...settingsOfSource(context.tls),
      skipIfCurrent: true,
      workDir: join(context.dataDir, 'loads'),
    },
    environment: {},
    file: {},
  });
  try {
    const summary = await runLoad(
      { ...values, keyspace: load.keyspace, paths: [load.path] },
      { log: context.log, signal: context.signal, authorization: context.authorization },
    );
    return { line: shortSummary(summary), isRejected: false };
  } catch (thrown) {
    if (!(thrown instanceof SteleError) || thrown.code !== 'GATE_FAILED') throw thrown;
    return { line: thrown.message, isRejected: true };
  }
}
