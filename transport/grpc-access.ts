// The door of a gRPC server with --auth on: who calls, and whether the method and the keyspace are
// allowed.
//
//   metadata    the caller is identified; what the method asks of any caller is checked
//   message     the right on the keyspace that the request names is checked
//
// A handler sees calls that are allowed, and no others. A user cannot pretend to pass on a call of
// somebody else: only processes of the cluster can.

import assert from 'node:assert/strict';
import { Metadata, ServerInterceptingCall, ServerListenerBuilder } from '@grpc/grpc-js';
import type { ServerInterceptor } from '@grpc/grpc-js';
import type { Access } from '../access/access.ts';
import type { Audit } from '../access/audit/audit.ts';
import { GRPC_METHODS } from '../access/grpc-methods.ts';
import type { KeyspaceField, MethodAccess, OwnerField } from '../access/grpc-methods.ts';
import type { Right } from '../access/rights.ts';
import { requireRight } from '../access/subject.ts';
import type { Subject } from '../access/subject.ts';
import { SteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { AUTHORIZATION_KEY, FORWARDED_KEY, USER_KEY } from './grpc-channel.ts';
import { toGrpcError } from './grpc-errors.ts';

export interface GrpcDoor {
  /** Undefined: everybody is let in. */
  readonly access: Access | undefined;
  /** Undefined: nothing is recorded. */
  readonly audit?: Audit | undefined;
  /** Gets a line for each call that fails by a defect. Undefined: nothing is logged. */
  readonly log?: Logger;
  /** The name of the keyspace that a request means; what it throws is the answer. */
  keyspaceOf(field: Exclude<KeyspaceField, 'keyspace'>, value: string): string | Promise<string>;
}

const callers = new WeakMap<Metadata, Subject>();

const keyspaces = new WeakMap<Metadata, string>();

/** The keyspace that the call with this metadata is about, if its caller is a user. */
export function keyspaceOf(metadata: Metadata): string | undefined {
  return keyspaces.get(metadata);
}

/** Who makes the call with this metadata; undefined without --auth on. */
export function subjectOf(metadata: Metadata): Subject | undefined {
  return callers.get(metadata);
}

/** Throws if a method is not in GRPC_METHODS. */
export function requireListed(paths: readonly string[]): void {
  for (const path of paths) assert(GRPC_METHODS.has(path), `who may call ${path} is not listed`);
}

/** Pass it to the server's constructor, after those that check the form of messages. */
export function accessInterceptor(access: Access, door: GrpcDoor): ServerInterceptor {
  return ({ path }, call) => {
    const asked = GRPC_METHODS.get(path);
    let subject: Subject | undefined;
    let about: Metadata | undefined;
    const refuse = (thrown: unknown): void => call.sendStatus(toGrpcError(thrown));
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, pass) => {
        if (asked === 'open') return pass(metadata);
        const shown = {
          authorization: textOf(metadata, AUTHORIZATION_KEY),
          certificate: () => call.getAuthContext().sslPeerCertificate,
          address: call.getConnectionInfo().remoteAddress ?? '',
        };
        access
          .identify(shown)
          .then((found) => {
            requireMethod(found, asked);
            subject = found;
            about = metadata;
            callers.set(metadata, found);
            pass(inNameOf(found, metadata));
          })
          .catch(refuse);
      })
      .withOnReceiveMessage((message, pass) => {
        const caller = subject;
        assert(asked === 'open' || caller !== undefined, 'a message comes after the metadata');
        // Processes of the cluster have checked whom they act for, and may not lead: asking the
        // leader about their loads could go round in circles.
        if (caller === undefined || caller.isCluster) return pass(message);
        const note = (keyspace: string): void => {
          if (about !== undefined) keyspaces.set(about, keyspace);
        };
        requireMessage(door, caller, asked, message as Message, note)
          .then(() => pass(message))
          .catch(refuse);
      })
      .build();
    return new ServerInterceptingCall(call, { start: (begin) => begin(listener) });
  };
}

/** The fields of a request. */
type Message = Readonly<Record<string, unknown>>;

/** Checks what the method asks of a user by what the request is about, and notes the keyspace. */
async function requireMessage(
  door: GrpcDoor,
  caller: Subject,
  asked: MethodAccess | undefined,
  message: Message,
  note: (keyspace: string) => void,
): Promise<void> {
  const { of, right, unlessOwn } = rightIn(asked, message);
  if (unlessOwn !== undefined) {
    requireOwn(door, caller, right, unlessOwn, textIn(message, unlessOwn));
  } else if (of !== undefined) {
    const keyspace = await keyspaceIn(door, message, of);
    note(keyspace);
    requireRight(caller, right, keyspace);
  }
}

/**
 * Throws unless a request is about the caller itself, or the caller has the right. A token makes no
 * further ones, which could be valid for longer than itself, and would stay when it is revoked; it
 * may revoke itself.
 */
function requireOwn(
  { access }: GrpcDoor,
  caller: Subject,
  right: Right,
  field: OwnerField,
  value: string,
): void {
  const { by, name } = caller;
  const isOwn = (field === 'id' ? access?.ownerOf(value) : value) === name;
  if (isOwn && (field === 'id' || by === 'password' || by === 'certificate')) return;
  if (isOwn && by === 'token' && !caller.may(right)) {
    throw new SteleError(
      'PERMISSION_DENIED',
      'A token makes no further ones; log in with the password or the certificate of its user.',
    );
  }
  requireRight(caller, right);
}

/** The right that a request asks for. */
function rightIn(
  asked: MethodAccess | undefined,
  message: Message,
): {
  readonly right: Right;
  readonly of?: KeyspaceField;
  readonly unlessOwn?: OwnerField;
} {
  if (typeof asked === 'object') return asked;
  // A listing of one keyspace.
  const isOfOne = asked === 'user' && typeof message['keyspace'] === 'string';
  return { right: 'read', ...(isOfOne && message['keyspace'] !== '' ? { of: 'keyspace' } : {}) };
}

function requireMethod(subject: Subject, asked: MethodAccess | undefined): void {
  if (asked === undefined || (asked === 'cluster' && !subject.isCluster)) {
    throw new SteleError('PERMISSION_DENIED', 'Only the processes of the cluster may do this.');
  }
  if (typeof asked === 'object' && asked.of === undefined && asked.unlessOwn === undefined) {
    requireRight(subject, asked.right);
  }
}

async function keyspaceIn(door: GrpcDoor, message: Message, field: KeyspaceField): Promise<string> {
  const value = textIn(message, field);
  return field === 'keyspace' ? value : door.keyspaceOf(field, value);
}

function textIn(message: Message, field: string): string {
  const found = message[field];
  return typeof found === 'string' ? found : '';
}

/** The same object, which knows the caller: for a user, its name, and nobody that it acts for. */
function inNameOf(subject: Subject, metadata: Metadata): Metadata {
  metadata.remove(AUTHORIZATION_KEY);
  if (subject.isCluster) return metadata;
  metadata.remove(FORWARDED_KEY);
  metadata.set(USER_KEY, subject.name);
  return metadata;
}

function textOf(metadata: Metadata, key: string): string | undefined {
  const [value] = metadata.get(key);
  return value === undefined ? undefined : String(value);
}
