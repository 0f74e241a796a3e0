// STELE KEYSPACES | VERSION | EXPLAIN key | NODES | HEALTH | HOTKEYS [count]: the operations as
// RESP maps and arrays.

import { visibleHealth, visibleKeyspaces } from '../../../access/visible.ts';
import { STELE_VERSION } from '../../../base/process/build-version.ts';
import type { ClusterOperations } from '../../../proto/operations.ts';
import { HealthStatus } from '../../../proto/gen/stele/v1/view.ts';
import type { BackendCommand } from '../../../resp/commands/command-spec.ts';
import type { CommandArguments } from '../../../resp/wire/decoder.ts';
import { writeData } from '../../../resp/commands/data-reply.ts';
import { hotKeysWanted } from '../../../resp/info/hot-keys-command.ts';
import type { ReplyWriter } from '../../../resp/wire/encoder.ts';
import { PendingOperation } from '../../../resp/commands/pending-operation.ts';
import type { Session } from '../../../resp/commands/session.ts';
import { hotKeysJson } from '../../../proto/content-json.ts';
import {
  explainKeyJson,
  healthJson,
  keyspacesJson,
  nodesJson,
} from '../../../proto/json-shapes.ts';

type SteleCommand = Extract<BackendCommand, `stele|${string}`>;
type SteleHandler = (
  operations: ClusterOperations,
  command: CommandArguments,
  session: Session,
  out: ReplyWriter,
) => PendingOperation<unknown> | undefined;

export const STELE_HANDLERS: Record<SteleCommand, SteleHandler> = {
  'stele|keyspaces': (operations, _, { subject }) =>
    later(operations.listKeyspaces(), (all) => {
      const answer = visibleKeyspaces(subject, all);
      // A keyspace that is being dropped cannot be selected any more.
      const keyspaces = answer.keyspaces.filter(({ state }) => state !== 'DELETING');
      return keyspacesJson({ ...answer, keyspaces });
    }),
  'stele|nodes': (operations) => later(operations.listNodes(), nodesJson),
  'stele|health': (operations, _, { subject }) => {
    const request = { waitFor: HealthStatus.UNSPECIFIED, timeoutMs: 0 };
    return later(operations.health(request), (all) => healthJson(visibleHealth(subject, all)));
  },
  'stele|explain': (operations, command, session) => {
    const key = Buffer.from(command.buffer.subarray(command.starts[2], command.ends[2]));
    const request = { keyspace: session.keyspace.name, key };
    return later(operations.explain(request), (answer) => explainKeyJson(answer, key));
  },
  'stele|hotkeys': (operations, command, session) => {
    const keyspace = session.keyspace.name;
    const request = { keyspace, limit: hotKeysWanted(command) };
    return later(operations.listHotKeys(request), (answer) => hotKeysJson(keyspace, answer));
  },
  'stele|version': (operations, _, session, out) => {
    writeData(out, versionOf(operations, session));
    return undefined;
  },
};

function versionOf(operations: ClusterOperations, session: Session): Record<string, unknown> {
  const { keyspaces, epoch } = operations.current();
  const found = keyspaces.find((keyspace) => keyspace.name === session.keyspace.name);
  return {
    stele: STELE_VERSION,
    keyspace: session.keyspace.name,
    version: found?.currentVersion ?? 0,
    versions: found?.versions ?? [],
    records: found?.records ?? 0,
    epoch,
  };
}

function later<Answer>(
  operation: Promise<Answer>,
  shape: (answer: Answer) => unknown,
): PendingOperation<unknown> {
  return new PendingOperation<unknown>(operation.then(shape), writeData);
}
