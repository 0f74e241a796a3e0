// The interface (api.ts) and etcd's messages, converted to each other.

import {
  Compare_CompareResult,
  Compare_CompareTarget,
} from '../../../proto/gen/etcd/etcdserverpb.ts';
import type {
  Compare,
  RangeRequest,
  RequestOp,
  TxnRequest,
  TxnResponse,
} from '../../../proto/gen/etcd/etcdserverpb.ts';
import { Event_EventType } from '../../../proto/gen/etcd/mvccpb.ts';
import type { Event, KeyValue } from '../../../proto/gen/etcd/mvccpb.ts';
import type {
  EtcdAnswer,
  EtcdCompare,
  EtcdEntry,
  EtcdEvent,
  EtcdOperation,
  EtcdTransaction,
} from './api.ts';

/** Whether a transaction only reads, in each case; etcd does not propose it then. */
export function isReadOnly({ success, failure = [] }: EtcdTransaction): boolean {
  return [...success, ...failure].every(({ kind }) => kind === 'range');
}

export function txnRequest({ compares, success, failure = [] }: EtcdTransaction): TxnRequest {
  return {
    compare: compares.map(compareMessage),
    success: success.map(operationMessage),
    failure: failure.map(operationMessage),
  };
}

export function answerOf({ header, succeeded, responses }: TxnResponse): EtcdAnswer {
  const ranges = responses.flatMap(({ response }) =>
    response?.$case === 'responseRange' ? [response.value.kvs.map(entryOf)] : [],
  );
  return { succeeded, revision: header?.revision ?? 0, ranges };
}

export function rangeRequest(key: string, end: string | undefined): RangeRequest {
  return {
    key: Buffer.from(key),
    rangeEnd: Buffer.from(end ?? ''),
    limit: 0,
    revision: 0,
    keysOnly: false,
  };
}

export function entryOf(pair: KeyValue): EtcdEntry {
  const { value, createRevision, modRevision, version } = pair;
  const key = pair.key.toString();
  return { key, value, createRevision, modRevision, version, lease: Number(pair.lease) };
}

/** The event, and the revision that made it. */
export function eventOf({ type, kv }: Event): { event: EtcdEvent; revision: number } {
  const entry = entryOf(kv as KeyValue);
  const revision = entry.modRevision;
  if (type === Event_EventType.PUT) return { event: { kind: 'put', entry }, revision };
  return { event: { kind: 'delete', key: entry.key, revision }, revision };
}

function compareMessage({ key, target, revision }: EtcdCompare): Compare {
  return {
    result: Compare_CompareResult.EQUAL,
    target: target === 'create' ? Compare_CompareTarget.CREATE : Compare_CompareTarget.MOD,
    key: Buffer.from(key),
    targetUnion: {
      $case: target === 'create' ? 'createRevision' : 'modRevision',
      value: revision,
    },
  };
}

function operationMessage(operation: EtcdOperation): RequestOp {
  const key = Buffer.from(operation.key);
  switch (operation.kind) {
    case 'put': {
      const value = Buffer.from(operation.value as Uint8Array);
      const put = { key, value, lease: operation.lease ?? 0 };
      return { request: { $case: 'requestPut', value: put } };
    }
    case 'delete': {
      const rangeEnd = Buffer.from(operation.end ?? '');
      return { request: { $case: 'requestDeleteRange', value: { key, rangeEnd } } };
    }
    case 'range': {
      const range = rangeRequest(operation.key, operation.end);
      return { request: { $case: 'requestRange', value: range } };
    }
  }
}
