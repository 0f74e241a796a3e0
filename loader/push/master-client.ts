// The loader's side of LoadService: unary calls with deadlines, and a sentence that helps where no
// master answers.

import { sleep } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';
import { openClient, callUnary } from '../../transport/grpc-channel.ts';
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
 * A connection that was idle while the inputs were looked at may have been closed by what lies between, or by
 * the master because this process stood still. A load that begins twice takes its own place.
 */
const BEGIN_RETRIES = 3;
const BEGIN_RETRY_MS = 300;
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
  /** `resumable`: the same load may be taken up again. */
  abortLoad(loadId: string, reason: string, resumable: boolean): Promise<void>;
  /** Whether the master was ever connected to: if not, nothing that was asked can have been carried out. */
  wasReached(): boolean;
  close(): void;
}

/** Over gRPC; `address` is host:port. */
export function grpcLoadMaster(address: string): LoadMaster {
  const client = openClient(LoadServiceClient, address);
  let reached = false;
  // Without a deadline there is no timer; closing the client ends it.
  client.waitForReady(Infinity, (error) => {
    if (error === undefined) reached = true;
  });
  const explain = <Answer>(answer: Promise<Answer>): Promise<Answer> =>
    answer.catch((thrown: unknown) => {
      throw explainMasterError(thrown, address, reached);
    });
  return {
    beginLoad: async (request, signal) => {
      const options = { deadlineMs: BEGIN_DEADLINE_MS, signal };
      const begin = () => callUnary(client.beginLoad.bind(client), request, address, options);
      for (let left = BEGIN_RETRIES; ; left--) {
        try {
          return await begin();
        } catch (thrown) {
          const isRetried = left > 0 && reached && isConnectionLost(thrown) && !signal.aborted;
          if (!isRetried) throw explainMasterError(thrown, address, reached);
        }
        await sleep(BEGIN_RETRY_MS, signal);
      }
    },
    reportProgress: (request, signal) =>
      explain(
        callUnary(client.reportProgress.bind(client), request, address, {
          deadlineMs: PROGRESS_DEADLINE_MS,
          signal,
        }),
      ),
    commitLoad: (request) =>
      explain(
        callUnary(client.commitLoad.bind(client), request, address, {
          deadlineMs: COMMIT_DEADLINE_MS,
        }),
      ),
    abortLoad: async (loadId, reason, resumable) => {
      const options = { deadlineMs: ABORT_DEADLINE_MS };
      const request = { loadId, reason, resumable };
      await explain(callUnary(client.abortLoad.bind(client), request, address, options));
    },
    wasReached: () => reached,
    close: () => client.close(),
  };
}

const UNANSWERED: ReadonlySet<ErrorCode> = new Set([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'INTERNAL',
] as const);

/**
 * Whether a failed call may have been carried out: it was sent, or may have been, and the master gave
 * no answer of its own, or does not know it itself.
 */
export function isAnswerLost(thrown: unknown): boolean {
  if (!(thrown instanceof SteleError)) return false;
  if (thrown.code === 'OUTCOME_UNKNOWN') return true;
  if (!UNANSWERED.has(thrown.code)) return false;
  return isWithoutOwnWords(thrown);
}
