// What a failed call to etcd says of its outcome, from etcd's own texts and from those of grpc-js.
//
//   not-made   etcd certainly did not make it: never sent, or refused before it was proposed to the
//              cluster. Another endpoint, or a later attempt, may make it.
//   unknown    it may have been made, or may be made yet.
//   refused    it was not made, and a repetition fails as well.
//   doubtful   like refused for a read; a write may have been made nevertheless.
//   token      not made: the token is not, or no longer, valid.
//
// A text is `not-made` only if etcd's source returns it before the proposal (3.4 to 3.6,
// EtcdServer.processInternalRaftRequestOnce and the interceptors of v3rpc). So `request timed out`,
// `server stopped` and `leader changed` are unknown, and so is everything that is not listed.
//
// `database space exceeded` is doubtful: the first transaction beyond the quota is made and
// answered with this error (quotaApplierV3), later ones are refused with the same text.

import { status } from '@grpc/grpc-js';
import type { ServiceError } from '@grpc/grpc-js';
import { SteleError } from '../../../base/errors.ts';
import type { ErrorCode } from '../../../base/errors.ts';

export type Outcome = 'not-made' | 'unknown' | 'refused' | 'doubtful' | 'token';

/**
 * A call that failed. `error` is for people; its code holds only for a call that is not repeated.
 */
export class Failure extends Error {
  readonly outcome: Outcome;
  readonly error: SteleError;

  constructor(outcome: Outcome, error: SteleError) {
    super(error.message);
    this.outcome = outcome;
    this.error = error;
  }
}

type Row = readonly [pattern: RegExp, outcome: Outcome, code: ErrorCode, sentence?: string];

const ROWS: readonly Row[] = [
  // etcd, before it proposes anything.
  [/^etcdserver: no leader$/, 'not-made', 'UNAVAILABLE', 'its member has no leader'],
  [/^etcdserver: not capable$/, 'not-made', 'UNAVAILABLE'],
  [/^etcdserver: too many requests$/, 'not-made', 'UNAVAILABLE'],
  [/^etcdserver: rpc not supported for learner$/, 'not-made', 'UNAVAILABLE'],
  [/^raft proposal dropped$/, 'not-made', 'UNAVAILABLE'],
  // grpc-js, before it sends anything; and a server that says it did not look at the call.
  [/^No connection established/, 'not-made', 'UNAVAILABLE'],
  [/^Failed to start HTTP\/2 stream/, 'not-made', 'UNAVAILABLE'],
  [/^Channel closed before call started/, 'not-made', 'UNAVAILABLE'],
  [/^Name resolution failed/, 'not-made', 'UNAVAILABLE'],
  [/^Stream refused by server/, 'not-made', 'UNAVAILABLE'],
  [/^Deadline exceeded.*Waiting for LB pick/, 'not-made', 'UNAVAILABLE', 'no connection in time'],

  [
    /invalid auth token|revision of auth store is old|auth: revision in header/,
    'token',
    'UNAVAILABLE',
  ],
  [/^etcdserver: user name is empty$/, 'token', 'PERMISSION_DENIED'],

  [
    /^etcdserver: mvcc: database space exceeded$/,
    'doubtful',
    'DISK_FULL',
    'its space quota is used up; compact and defragment it, then run `etcdctl alarm disarm`',
  ],
  [
    /^Received message larger than max/,
    'doubtful',
    'BATCH_TOO_LARGE',
    'its answer is larger than a message may be',
  ],
  [
    /^etcdserver: request is too large$|^grpc: received message larger than max|^Attempted to send message/,
    'refused',
    'INVALID_ARGUMENT',
    'the request is too large for it (1.5 MiB unless its --max-request-bytes is higher)',
  ],
  [
    /^etcdserver: too many operations in txn request$/,
    'refused',
    'INVALID_ARGUMENT',
    'the transaction has more operations than it takes (128 unless its --max-txn-ops is higher)',
  ],
  [
    /required revision has been compacted/,
    'refused',
    'CORRUPT',
    'the revision asked for was compacted; read the current one',
  ],
  [
    /^etcdserver: permission denied$/,
    'refused',
    'PERMISSION_DENIED',
    'its user has no permission for these keys; grant it with `etcdctl role grant-permission`',
  ],
  [
    /^etcdserver: authentication failed/,
    'refused',
    'PERMISSION_DENIED',
    'it does not accept the user and the password',
  ],
  [/^etcdserver: requested lease not found$/, 'refused', 'NOT_FOUND', 'there is no such lease'],
  [/^etcdserver: lease already exists$/, 'refused', 'CONFLICT'],
  [/^etcdserver: corrupt cluster$/, 'refused', 'CORRUPT', 'it has found its data to be corrupt'],
];

/**
 * What `error` of a call to the endpoint at `address` says. A stream also ends with errors of
 * Node.js that are none of the service (a write after its end); whether etcd did what was asked is
 * then unknown.
 */
export function failureOf(error: Error & Partial<ServiceError>, address: string): Failure {
  const text = error.details ?? error.message;
  const row = ROWS.find(([pattern]) => pattern.test(text));
  if (row !== undefined) {
    const [, outcome, code, sentence] = row;
    return new Failure(outcome, errorAt(address, code, sentence ?? reasonOf(text), error));
  }
  if (error.code === status.UNAUTHENTICATED) {
    return new Failure('token', errorAt(address, 'UNAVAILABLE', text, error));
  }
  const code = error.code === undefined ? undefined : REFUSALS.get(error.code);
  if (code !== undefined) return new Failure('refused', errorAt(address, code, text, error));
  const reason = error.code === status.DEADLINE_EXCEEDED ? 'no answer in time' : reasonOf(text);
  return new Failure('unknown', errorAt(address, 'UNAVAILABLE', reason, error));
}

/** Statuses that etcd gives to requests which are wrong, however it words them. */
const REFUSALS: ReadonlyMap<number, ErrorCode> = new Map([
  [status.INVALID_ARGUMENT, 'INVALID_ARGUMENT'],
  [status.OUT_OF_RANGE, 'INVALID_ARGUMENT'],
  [status.FAILED_PRECONDITION, 'CONFLICT'],
  [status.NOT_FOUND, 'NOT_FOUND'],
  [status.UNIMPLEMENTED, 'UNSUPPORTED'],
]);

export function errorAt(
  address: string,
  code: ErrorCode,
  reason: string,
  cause?: unknown,
): SteleError {
  return new SteleError(code, `etcd at ${address}: ${reason.replace(/[.]+$/, '')}.`, { cause });
}

/** The system's error in a text of grpc-js: `No connection established. Last error: ...`. */
function reasonOf(text: string): string {
  return text
    .replace(/^No connection established[.] Last error: (?:Error(?: \[\w+\])?: )?/, '')
    .replace(/(?: [(][-\dT:.]+Z[)])?[. ]*Resolution note: *[.]?$/, '');
}
