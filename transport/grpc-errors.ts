// SteleError over gRPC: the code travels in trailing metadata (`stele-code`), the message in the
// status details. ERROR_TABLE gives the gRPC status for programs that do not know Stele's codes.

import { Metadata, status } from '@grpc/grpc-js';
import type { ServerUnaryCall, ServiceError, StatusObject, handleUnaryCall } from '@grpc/grpc-js';
import { ERROR_TABLE, SteleError, isErrorCode, toSteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { PERHAPS_TLS } from './tls/dial-errors.ts';

/** Trailing metadata key for the code of a SteleError. */
export const STELE_CODE_KEY = 'stele-code';

/** Converts an error to the form that a gRPC handler passes to its callback or stream. */
export function toGrpcError(thrown: unknown): Error & StatusObject {
  const error = toSteleError(thrown);
  const metadata = new Metadata();
  metadata.set(STELE_CODE_KEY, error.code);
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- the table's numbers are grpc statuses
  return Object.assign(new Error(error.message, { cause: error }), {
    code: ERROR_TABLE[error.code].grpc,
    details: error.message,
    metadata,
  });
}

/**
 * The handler of a unary call. A rejection of `answer` becomes a gRPC status with Stele's code.
 * `signal` aborts when the caller goes away or its deadline passes.
 */
export function unaryHandler<Request, Response>(
  answer: (
    request: Request,
    signal: AbortSignal,
    call: ServerUnaryCall<Request, Response>,
  ) => Promise<Response>,
): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const gone = new AbortController();
    call.on('cancelled', () => gone.abort());
    answer(call.request, gone.signal, call).then(
      (response) => callback(null, response),
      (thrown: unknown) => callback(toGrpcError(thrown)),
    );
  };
}

/**
 * Converts the error of a failed call. `peer` (an address or a name) appears in the message if the
 * connection failed; an error that the peer reported keeps its own message.
 */
export function steleErrorFromGrpc(thrown: unknown, peer: string): SteleError {
  if (!isServiceError(thrown)) return toSteleError(thrown);
  const sent = thrown.metadata?.get(STELE_CODE_KEY)[0];
  if (typeof sent === 'string' && isErrorCode(sent)) {
    return new SteleError(sent, thrown.details, { cause: thrown });
  }
  const code = CODE_OF_STATUS.get(thrown.code) ?? 'INTERNAL';
  return new SteleError(code, sentenceFor(thrown, code, peer), { cause: thrown });
}

const CODE_OF_STATUS: ReadonlyMap<number, ErrorCode> = new Map([
  [status.CANCELLED, 'CANCELLED'],
  [status.UNAVAILABLE, 'UNAVAILABLE'],
  [status.DEADLINE_EXCEEDED, 'DEADLINE_EXCEEDED'],
  [status.UNIMPLEMENTED, 'UNSUPPORTED'],
  [status.RESOURCE_EXHAUSTED, 'OVERLOADED'],
  [status.INVALID_ARGUMENT, 'INVALID_ARGUMENT'],
  [status.UNAUTHENTICATED, 'UNAUTHENTICATED'],
  [status.PERMISSION_DENIED, 'PERMISSION_DENIED'],
]);

function sentenceFor(error: ServiceError, code: ErrorCode, peer: string): string {
  if (code === 'UNAVAILABLE')
    return `Nothing answers at ${peer} (${connectionReason(error.details)}).`;
  if (code === 'DEADLINE_EXCEEDED') return `${peer} did not answer in time.`;
  return `${peer}: ${error.details}`;
}

/**
 * Extracts the system's error from a message of grpc-js: "No connection established. Last error:
 * ...".
 */
export function connectionReason(details: string): string {
  return details
    .replace(/^No connection established[.] Last error: (?:Error: )?/, '')
    .replace(/^Failed to connect [(].*?[)]/, `it ${PERHAPS_TLS}`)
    .replace(/[. ]*Resolution note: *[.]?$/, '')
    .replace(/[. ]+$/, '');
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return (
    thrown instanceof Error &&
    'code' in thrown &&
    typeof thrown.code === 'number' &&
    'details' in thrown
  );
}
