// SteleError over gRPC: the code travels in trailing metadata (`stele-code`), the sentence in the
// status details, and ERROR_TABLE gives the gRPC status for programs that know no Stele codes.

import { Metadata, status } from '@grpc/grpc-js';
import type { ServiceError, StatusObject } from '@grpc/grpc-js';
import { ERROR_TABLE, SteleError, isErrorCode, toSteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';

/** Trailing metadata of an error that Stele made itself. */
export const STELE_CODE_KEY = 'stele-code';

/** What a gRPC handler hands to its callback, or destroys its stream with. */
export function toGrpcError(thrown: unknown): Error & StatusObject {
  const error = toSteleError(thrown);
  const metadata = new Metadata();
  metadata.set(STELE_CODE_KEY, error.code);
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- the table's numbers are grpc statuses
  return Object.assign(new Error(error.message), {
    code: ERROR_TABLE[error.code].grpc,
    details: error.message,
    metadata,
  });
}

/**
 * What a failed call means. `peer` (an address or a name) goes into the sentence when the failure
 * is the connection's and not the peer's answer.
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
]);

function sentenceFor(error: ServiceError, code: ErrorCode, peer: string): string {
  if (code === 'UNAVAILABLE') return `Nothing answers at ${peer} (${reasonOf(error.details)}).`;
  if (code === 'DEADLINE_EXCEEDED') return `${peer} did not answer in time.`;
  return `${peer}: ${error.details}`;
}

/** grpc-js wraps the system's error in sentences of its own: "No connection established. Last error: ...". */
function reasonOf(details: string): string {
  return details
    .replace(/^No connection established[.] Last error: (?:Error: )?/, '')
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
