/* oxlint-disable typescript/unbound-method -- the channel binds each method to its client */
// The loader's client of LoadService: unary calls with deadlines, and helpful errors if no master
// answers.

import { monotonicNowMs, sleep } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';
import { MasterChannel } from '../../transport/master-channel.ts';
import {
  explainMasterError,
  isConnectionLost,
  isWithoutOwnWords,
} from '../../transport/master-errors.ts';
import { LoadServiceClient } from '../../proto/gen/stele/v1/load.ts';
import type {
  BeginLoadRequest,
  BeginLoadResponse,
  CommitLoadRequest,
  CommitLoadResponse,
  ReportProgressRequest,
  ReportProgressResponse,
} from '../../proto/gen/stele/v1/load.ts';

const BEGIN_DEADLINE_MS = 15_000;
/**
 * A connection that was idle while the inputs were read may have been closed by a proxy, or by the
 * master because this process was suspended. Retries are safe: a load that begins twice replaces
 * itself.
 */
const BEGIN_RETRIES = 3;
const BEGIN_RETRY_MS = 300;
/**
 * Masters that cannot begin a load now are asked so long: they elect a leader, or the one that was
 * just elected has not heard of its datanodes yet.
 */
const BEGIN_WAIT_MS = 12_000;
const PROGRESS_DEADLINE_MS = 5_000;
const ABORT_DEADLINE_MS = 2_000;
/** The master asks every node about every segment before it answers. */
const COMMIT_DEADLINE_MS = 120_000;

/** What a load asks of the master; every method throws SteleError. */
export interface LoadMaster {
  beginLoad(request: BeginLoadRequest, signal: AbortSignal): Promise<BeginLoadResponse>;
  reportProgress(
    request: ReportProgressRequest,
    signal: AbortSignal,
  ): Promise<ReportProgressResponse>;
  commitLoad(request: CommitLoadRequest): Promise<CommitLoadResponse>;
  /** `resumable`: the same load may be resumed. */
  abortLoad(loadId: string, reason: string, resumable: boolean): Promise<void>;
  /** Whether there ever was a connection; if not, no call can have been carried out. */
  wasReached(): boolean;
  close(): void;
}

/** A LoadMaster over gRPC; `masters` as for --master. */
export function grpcLoadMaster(masters: string, identity: DialIdentity = {}): LoadMaster {
  const channel: MasterChannel<LoadServiceClient> = new MasterChannel(LoadServiceClient, masters, {
    explain: (error, address) => explainMasterError(error, address, channel.wasReached),
    ...identity,
  });
  channel.warm();
  return {
    beginLoad: async (request, signal) => {
      const options = { deadlineMs: BEGIN_DEADLINE_MS, signal, isRepeatable: true };
      const untilMs = monotonicNowMs() + BEGIN_WAIT_MS;
      let losses = 0;
      for (;;) {
        try {
          return await channel.call((client) => client.beginLoad, request, options);
        } catch (thrown) {
          if (!channel.wasReached || signal.aborted) throw thrown;
          if (toSteleError(thrown).code !== 'UNAVAILABLE' || monotonicNowMs() >= untilMs)
            throw thrown;
          const isOnly = !masters.includes(',');
          if (isOnly && isConnectionLost(thrown) && ++losses > BEGIN_RETRIES) throw thrown;
        }
        await sleep(BEGIN_RETRY_MS, signal);
      }
    },
    reportProgress: (request, signal) => {
      const options = { deadlineMs: PROGRESS_DEADLINE_MS, signal, isRepeatable: true };
      return channel.call((client) => client.reportProgress, request, options);
    },
    commitLoad: (request) => {
      const options = { deadlineMs: COMMIT_DEADLINE_MS, isRepeatable: false };
      return channel.call((client) => client.commitLoad, request, options);
    },
    abortLoad: async (loadId, reason, resumable) => {
      const options = { deadlineMs: ABORT_DEADLINE_MS, isRepeatable: false };
      await channel.call((client) => client.abortLoad, { loadId, reason, resumable }, options);
    },
    wasReached: () => channel.wasReached,
    close: () => channel.close(),
  };
}

const UNANSWERED: ReadonlySet<ErrorCode> = new Set([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'INTERNAL',
] as const);

/**
 * Whether a failed call may have been carried out: it may have been sent, and the master gave no
 * answer of its own, or does not know the outcome itself.
 */
export function isAnswerLost(thrown: unknown): boolean {
  if (!(thrown instanceof SteleError)) return false;
  if (thrown.code === 'OUTCOME_UNKNOWN') return true;
  if (!UNANSWERED.has(thrown.code)) return false;
  return isWithoutOwnWords(thrown);
}
