// What a backup and a restore work with: the cluster, the archive, threads, memory and a rate.

import { Archive } from '../../archive/archive.ts';
import { openStore } from '../../archive/open-store.ts';
import type { StoreCallOptions } from '../../archive/object-store.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { clientIdentity } from '../../transport/client-identity.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';
import { Semaphore } from '../bytes/bounded.ts';
import { Throttle, checkRate } from '../bytes/throttle.ts';
import { segmentPool } from '../threads/segment-pool.ts';
import type { SegmentPool } from '../threads/segment-pool.ts';
import { ClusterClient } from './cluster-client.ts';
import { SEGMENT_MEMORY_BYTES } from './settings.ts';
import type { TransferSettings } from './settings.ts';
import { TransferCounter } from './transfer-progress.ts';
import type { TransferProgress } from './transfer-progress.ts';

export interface TransferHooks {
  readonly log: Logger;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
  readonly onNotice?: (sentence: string) => void;
}

export interface Transfer {
  readonly settings: TransferSettings;
  readonly cluster: ClusterClient;
  readonly archive: Archive;
  readonly pool: SegmentPool;
  /** In bytes: what segments may occupy. */
  readonly memory: Semaphore;
  readonly progress: TransferCounter;
  readonly dialAs: DialIdentity;
  /** Aborted by the user, and by the first failure. */
  readonly stop: AbortController;
  readonly log: Logger;
  readonly notice: (sentence: string) => void;
  /** The options of calls to the store that move segments. */
  readonly paced: StoreCallOptions;
  readonly pace: (byteCount: number) => number;
}

/** Runs `use`, and ends everything that it has opened. */
export async function withTransfer<Result>(
  url: string,
  settings: TransferSettings,
  hooks: TransferHooks,
  use: (transfer: Transfer) => Promise<Result>,
): Promise<Result> {
  checkRate(settings.limitRate, '--limit-rate');
  const { log, onNotice = () => undefined, onProgress, signal } = hooks;
  const stop = new AbortController();
  const onAbort = (): void => stop.abort();
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) stop.abort();
  const store = await openStore(url, settings);
  const dialAs = clientIdentity(settings);
  dialAs.tls?.watch(log);
  const cluster = new ClusterClient(settings.master, dialAs, stop.signal);
  const pool = segmentPool();
  try {
    return await use({
      settings,
      cluster,
      archive: new Archive(store),
      pool,
      memory: new Semaphore(SEGMENT_MEMORY_BYTES),
      progress: new TransferCounter(onProgress),
      dialAs,
      stop,
      log,
      notice: onNotice,
      paced: { signal: stop.signal, pace: paceOf(settings.limitRate) },
      pace: paceOf(settings.limitRate),
    });
  } catch (thrown) {
    const isInterrupted = signal?.aborted === true;
    throw isInterrupted ? new SteleError('CANCELLED', 'Interrupted.') : toSteleError(thrown);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    stop.abort();
    await pool.close();
    cluster.close();
    store.close();
    dialAs.tls?.close();
  }
}

function paceOf(bytesPerSecond: number): Transfer['pace'] {
  const throttle = new Throttle(bytesPerSecond);
  return (byteCount) => throttle.pauseMs(byteCount);
}
