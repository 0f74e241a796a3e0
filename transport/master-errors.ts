// What the failure of a call to a master means, in terms of the --master that somebody gave.

import type { ServiceError } from '@grpc/grpc-js';
import { SteleError, toSteleError } from '../base/errors.ts';
import { NO_WORD } from './grpc-dial.ts';
import { STELE_CODE_KEY } from './grpc-errors.ts';

/**
 * The error of a call to the master at `address`, as callUnary throws it, with the next step in its sentence.
 * What the master itself has said stays as it is. `reached`: it has answered before.
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
  if (reached) {
    return `The master at ${address} does not answer any more; the same command goes on from here once it does.`;
  }
  if (why.includes(NO_WORD)) {
    return `The master at ${address} did not answer in time: ${NO_WORD}; see whether that process is stopped or overloaded, or name another one with --master.`;
  }
  const stranger = why.includes('Protocol error') ? ' (what listens there is not gRPC)' : '';
  return `No master answers at ${address}${stranger}; start one with \`stele up\`, or name its gRPC port with --master.`;
}

/** UNAVAILABLE, and not in the master's own words. */
export function isConnectionLost(thrown: unknown): boolean {
  const error = toSteleError(thrown);
  return error.code === 'UNAVAILABLE' && isWithoutOwnWords(error);
}

/** Whether it is gRPC that speaks, on this side or on the other one, and no Stele process. */
export function isWithoutOwnWords(error: SteleError): boolean {
  let { cause } = error;
  while (cause instanceof SteleError) ({ cause } = cause);
  if (!(cause instanceof Error) || !('metadata' in cause)) return true;
  return ((cause as ServiceError).metadata?.get(STELE_CODE_KEY).length ?? 0) === 0;
}
