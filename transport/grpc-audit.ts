// The audit log of a gRPC server: one line for each change and each refused call, when its status
// is sent.
//
// It sees what the door (grpc-access.ts) sees of a call, and what becomes of it. A change that a
// process of the cluster passes on is not noted again: it was, where it came in.

import { Metadata, ServerInterceptingCall, ServerListenerBuilder } from '@grpc/grpc-js';
import type { ServerInterceptor } from '@grpc/grpc-js';
import type { Audit } from '../access/audit/audit.ts';
import { isRefusal, nameOf } from '../access/audit/audit.ts';
import { readBasic } from '../access/basic.ts';
import { GRPC_METHODS, isChange } from '../access/grpc-methods.ts';
import { isErrorCode } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { randomId } from '../base/ids.ts';
import { keyspaceOf, subjectOf } from './grpc-access.ts';
import { AUTHORIZATION_KEY, FORWARDED_KEY } from './grpc-channel.ts';
import { STELE_CODE_KEY } from './grpc-errors.ts';
import { REQUEST_ID_KEY } from './grpc-faults.ts';

type NextCall = Parameters<ServerInterceptor>[1];
type Message = Readonly<Record<string, unknown>>;
type Status = Parameters<ServerInterceptingCall['sendStatus']>[0];

/** Pass it to the server's constructor, before the interceptor of the door. */
export function auditInterceptor(audit: Audit, hasDoor: boolean): ServerInterceptor {
  return ({ path }, call) => {
    const isOpen = GRPC_METHODS.get(path) === 'open';
    const isNoted = isChange(path) || (hasDoor && !isOpen);
    return isNoted ? new AuditedCall(call, path, audit) : new ServerInterceptingCall(call);
  };
}

class AuditedCall extends ServerInterceptingCall {
  readonly #call: NextCall;
  readonly #path: string;
  readonly #audit: Audit;
  #metadata: Metadata | undefined;
  /** Kept, because the door removes it. */
  #authorization = '';
  #message: Message = {};

  constructor(call: NextCall, path: string, audit: Audit) {
    super(call, {
      start: (begin) => {
        const listener = new ServerListenerBuilder()
          .withOnReceiveMetadata((metadata, pass) => {
            this.#metadata = metadata;
            this.#authorization = String(metadata.get(AUTHORIZATION_KEY)[0] ?? '');
            pass(metadata);
          })
          .withOnReceiveMessage((message, pass) => {
            this.#message = message as Message;
            pass(message);
          })
          .build();
        begin(listener);
      },
    });
    this.#call = call;
    this.#path = path;
    this.#audit = audit;
  }

  override sendStatus(status: Status): void {
    super.sendStatus({ ...status, metadata: this.#noted(status) });
  }

  /** Notes the call if it is to be noted; returns the trailing metadata to send. */
  #noted({ code, metadata }: Status): Metadata | null {
    const result = resultOf(code, metadata);
    const subject = this.#metadata && subjectOf(this.#metadata);
    const isPassedOn =
      subject?.isCluster === true && this.#metadata?.get(FORWARDED_KEY)[0] !== undefined;
    if (isPassedOn || !(isChange(this.#path) || isRefusal(result))) return metadata ?? null;
    const requestId = String(metadata?.get(REQUEST_ID_KEY)[0] ?? randomId());
    const isUnknown = result === 'UNAUTHENTICATED' && subject === undefined;
    const who = subject === undefined ? undefined : nameOf(subject);
    const claimed = isUnknown ? readBasic(this.#authorization)?.user : undefined;
    this.#audit.note({
      door: 'grpc',
      what: this.#path.split('/')[2] ?? '',
      from: this.#call.getConnectionInfo().remoteAddress ?? '',
      ...optional('who', who ?? claimed),
      ...optional(
        'keyspace',
        textIn(this.#message, ['keyspace']) ?? (this.#metadata && keyspaceOf(this.#metadata)),
      ),
      ...optional('about', aboutIn(this.#message)),
      result,
      requestId,
    });
    const trailing = metadata ?? new Metadata();
    trailing.set(REQUEST_ID_KEY, requestId);
    return trailing;
  }
}

function resultOf(status: number, metadata: Status['metadata']): ErrorCode | 'OK' {
  if (status === 0) return 'OK';
  const code = String(metadata?.get(STELE_CODE_KEY)[0] ?? '');
  return isErrorCode(code) ? code : 'INTERNAL';
}

function aboutIn(message: Message): string | undefined {
  const role = message['role'];
  const nested = typeof role === 'object' && role !== null ? (role as Message) : {};
  return textIn({ ...nested, ...message }, ['nodeId', 'name', 'loadId', 'user', 'id']);
}

/** The first of these fields that has a text. */
function textIn(message: Message, names: readonly string[]): string | undefined {
  const texts = names.map((name) => message[name]);
  return texts.find((text): text is string => typeof text === 'string' && text !== '');
}

function optional<Name extends string>(
  name: Name,
  value: string | undefined,
): Partial<Record<Name, string>> {
  return (value === undefined ? {} : { [name]: value }) as Partial<Record<Name, string>>;
}
