// Errors of calls to masters, explained in terms of the --master setting.

import type { ServiceError } from '@grpc/grpc-js';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { NO_WORD } from './grpc-dial.ts';
import { STELE_CODE_KEY, connectionReason } from './grpc-errors.ts';
import { PERHAPS_TLS, tlsReasonIn } from './tls/dial-errors.ts';

/**
 * Adds the next step to an error of a call to the master at `address`, as thrown by callUnary. An
 * error that the master reported itself is returned unchanged. `reached`: the master has answered
 * before.
 */
export function explainMasterError(thrown: unknown, address: string, reached = false): SteleError {
  const error = toSteleError(thrown);
  if (isConnectionLost(error)) {
    const text = unreachedText(error.message, address, reached);
    return new SteleError('UNAVAILABLE', text, { cause: thrown });
  }
  if (error.code !== 'UNSUPPORTED' || !isWithoutOwnWords(error)) return error;
  return new SteleError(
    'INVALID_ARGUMENT',
    `${address} is not a master (a datanode, perhaps); name the gRPC port of a master with --master (8400 by default).`,
    { cause: thrown },
  );
}

function unreachedText(why: string, address: string, reached: boolean): string {
  const tls = tlsReasonIn(why);
  if (tls !== undefined) return `The master at ${address} cannot be used (${tls}.`;
  if (!reached && why.includes(PERHAPS_TLS)) return `The master at ${address} ${PERHAPS_TLS}.`;
  if (reached) {
    return `The master at ${address} no longer answers; run the same command again to continue from here once it does.`;
  }
  if (why.includes(NO_WORD)) {
    return `The master at ${address} did not answer in time: ${NO_WORD}; check whether that process is stopped or overloaded, or name another one with --master.`;
  }
  const stranger = why.includes('Protocol error') ? ' (what listens there is not gRPC)' : '';
  return `No master answers at ${address}${stranger}; start one with \`stele up\`, or name its gRPC port with --master.`;
}

/**
 * What a failed call says of its master:
 *
 *     not sent   there was no connection, or what listens there is no master: not carried out
 *     lost       the connection was lost after the call was sent: perhaps carried out
 *     late       the deadline has passed: perhaps carried out
 *     refused    the master answers that it cannot serve now
 *     answered   any other answer
 */
export type MasterFailure = 'not sent' | 'lost' | 'late' | 'refused' | 'answered';

/**
 * Errors of gRPC itself for a call that was sent: a server that closes resets its calls, for
 * example.
 */
const LOST: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'CANCELLED', 'INTERNAL'] as const);
/** Texts of grpc-js for calls that it gave to no connection, or whose stream the server refused. */
const NOT_SENT = /^(?:No connection established|Name resolution failed|Stream refused by server)/;

/** Not for a call that its caller has cancelled. */
export function failureOf(error: SteleError): MasterFailure {
  if (!isWithoutOwnWords(error)) return error.code === 'UNAVAILABLE' ? 'refused' : 'answered';
  if (error.code === 'UNSUPPORTED') return 'not sent';
  if (error.code === 'DEADLINE_EXCEEDED') return 'late';
  if (!LOST.has(error.code)) return 'answered';
  return NOT_SENT.test(detailsOf(error)) ? 'not sent' : 'lost';
}

/** An address of a master, and why it could not be used. */
export interface UnusedMaster {
  readonly address: string;
  readonly error: SteleError;
}

/** The error of a call that none of several masters could serve. */
export function noMasterError(unused: readonly UnusedMaster[]): SteleError {
  const isRefused = unused.some(({ error }) => failureOf(error) === 'refused');
  const text = isRefused
    ? `No master can serve this now: ${reasonsOf(unused)}; try again in a few seconds.`
    : `No master answers: ${reasonsOf(unused)}; start one with \`stele up\`, or name others with --master.`;
  const weightOf = ({ error }: UnusedMaster): number => WEIGHTS.indexOf(failureOf(error));
  const [cause] = unused.toSorted((left, right) => weightOf(left) - weightOf(right));
  return new SteleError('UNAVAILABLE', text, { cause: cause?.error });
}

/** `a:8400 (its name does not resolve), b:8400 and c:8400 (no answer in time)`. */
export function reasonsOf(unused: readonly UnusedMaster[]): string {
  const reasons = new Map<string, Set<string>>();
  for (const { address, error } of unused) {
    reasons.set(address, (reasons.get(address) ?? new Set()).add(reasonOf(error)));
  }
  const addresses = new Map<string, string[]>();
  for (const [address, texts] of reasons) {
    const text = [...texts].join('; ');
    addresses.set(text, [...(addresses.get(text) ?? []), address]);
  }
  return [...addresses].map(([text, group]) => `${group.join(' and ')} (${text})`).join(', ');
}

/** The cause of a common error is the failure that leaves most open. */
const WEIGHTS: readonly MasterFailure[] = ['lost', 'late', 'refused', 'not sent', 'answered'];

function reasonOf(error: SteleError): string {
  if (error.code === 'DEADLINE_EXCEEDED') return 'no answer in time';
  if (error.code === 'UNSUPPORTED') return 'not a master; a datanode, perhaps';
  const details = detailsOf(error);
  if (details.startsWith('Name resolution failed')) return 'its name does not resolve';
  if (details.includes(NO_WORD)) return NO_WORD;
  return details.includes('Protocol error')
    ? 'what listens there is not gRPC'
    : connectionReason(details);
}

/** The error of a call whose master was lost before it answered. */
export function outcomeUnknownError(error: SteleError, address: string): SteleError {
  return new SteleError(
    'OUTCOME_UNKNOWN',
    `The master at ${address} was lost before it answered, so what was asked for may have been done or not; check, and run the same command again if it was not.`,
    { cause: error },
  );
}

/** True for UNAVAILABLE that the connection, not the master, reported. */
export function isConnectionLost(thrown: unknown): boolean {
  const error = toSteleError(thrown);
  return error.code === 'UNAVAILABLE' && isWithoutOwnWords(error);
}

/** Whether the error comes from gRPC, on either side, and not from a Stele process. */
export function isWithoutOwnWords(error: SteleError): boolean {
  return (grpcErrorOf(error)?.metadata?.get(STELE_CODE_KEY).length ?? 0) === 0;
}

/** The details that gRPC gave; the message of an error that it did not report. */
function detailsOf(error: SteleError): string {
  return grpcErrorOf(error)?.details ?? error.message;
}

function grpcErrorOf({ cause }: SteleError): ServiceError | undefined {
  while (cause instanceof SteleError) ({ cause } = cause);
  return cause instanceof Error && 'metadata' in cause ? (cause as ServiceError) : undefined;
}
