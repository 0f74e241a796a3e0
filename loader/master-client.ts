// The loader's side of LoadService: unary calls with deadlines, and a sentence that helps where no
// master answers.

import type { ServiceError } from '@grpc/grpc-js';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { openClient, callUnary } from '../proto/grpc-channel.ts';
import { LoadServiceClient } from '../proto/gen/stele/v1/load.ts';
import type {
  BeginLoadRequest,
  BeginLoadResponse,
  CommitLoadRequest,
  CommitLoadResponse,
  ReportProgressRequest,
  ReportProgressResponse,
} from '../proto/gen/stele/v1/load.ts';

const BEGIN_DEADLINE_MS = 15_000;
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
  abortLoad(loadId: string, reason: string): Promise<void>;
  close(): void;
}

/** Over gRPC; `address` is host:port. */
export function grpcLoadMaster(address: string): LoadMaster {
  const client = openClient(LoadServiceClient, address);
  const explain = <Answer>(answer: Promise<Answer>): Promise<Answer> =>
    answer.catch((thrown: unknown) => {
      throw explainUnreachable(thrown, address);
    });
  return {
    beginLoad: (request, signal) =>
      explain(
        callUnary(client.beginLoad.bind(client), request, address, {
          deadlineMs: BEGIN_DEADLINE_MS,
          signal,
        }),
      ),
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
    abortLoad: async (loadId, reason) => {
      const options = { deadlineMs: ABORT_DEADLINE_MS };
      await explain(callUnary(client.abortLoad.bind(client), { loadId, reason }, address, options));
    },
    close: () => client.close(),
  };
}

function explainUnreachable(thrown: unknown, address: string): SteleError {
  const error = toSteleError(thrown);
  if (error.code !== 'UNAVAILABLE' || hasSteleCode(error.cause)) return error;
  return new SteleError(
    'UNAVAILABLE',
    `No master answers at ${address}; start one with \`stele up\`, or name it with --master.`,
    { cause: thrown },
  );
}

const UNANSWERED: ReadonlySet<ErrorCode> = new Set([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'INTERNAL',
] as const);

/**
 * Whether a failed call may have been carried out: it was sent, or may have been, and the master gave
 * no answer of its own.
 */
export function isAnswerLost(thrown: unknown): boolean {
  if (!(thrown instanceof SteleError) || !UNANSWERED.has(thrown.code)) return false;
  let cause: unknown = thrown.cause;
  while (cause instanceof SteleError) cause = cause.cause;
  if (hasSteleCode(cause)) return false;
  // In grpc-js's words. Should they change, a work folder stays that could have gone.
  return !(cause instanceof Error && cause.message.includes('No connection established'));
}

/** Whether the peer itself said UNAVAILABLE, and in its own words. */
function hasSteleCode(cause: unknown): boolean {
  if (!(cause instanceof Error) || !('metadata' in cause)) return false;
  return (cause as ServiceError).metadata?.get('stele-code').length > 0;
}
