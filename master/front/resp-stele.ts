// STELE KEYSPACES | VERSION | EXPLAIN key | NODES | HEALTH: the operations as RESP maps and arrays.

import type { ClusterOperations } from '../../proto/operations.ts';
import { HealthStatus } from '../../proto/gen/stele/v1/view.ts';
import type { CommandArguments } from '../../resp/decoder.ts';
import type { ReplyWriter } from '../../resp/encoder.ts';
import type { Session } from '../../resp/session.ts';
import { explainJson, healthJson, keyspaceJson, nodeJson } from './http/shapes.ts';
import { PendingOperation } from './resp-pending.ts';

/** Answers one `stele|...` command, at once or later. */
export function steleReply(
  operations: ClusterOperations,
  name: string,
  command: CommandArguments,
  session: Session,
  out: ReplyWriter,
): PendingOperation<unknown> | undefined {
  switch (name) {
    case 'stele|keyspaces':
      return later(operations.listKeyspaces(), ({ keyspaces }) => keyspaces.map(keyspaceJson));
    case 'stele|nodes':
      return later(operations.listNodes(), ({ nodes }) => nodes.map(nodeJson));
    case 'stele|health': {
      const request = { waitFor: HealthStatus.UNSPECIFIED, timeoutMs: 0 };
      return later(operations.health(request), healthJson);
    }
    case 'stele|explain': {
      const key = Buffer.from(command.buffer.subarray(command.starts[2], command.ends[2]));
      const request = { keyspace: session.keyspace.name, key };
      return later(operations.explain(request), (answer) => explainJson(answer, key));
    }
    case 'stele|version':
      writeJson(out, versionOf(operations, session));
      return undefined;
    default:
      out.error(`ERR '${name.replace('|', ' ').toUpperCase()}' is not supported here yet`);
      return undefined;
  }
}

function versionOf(operations: ClusterOperations, session: Session): Record<string, unknown> {
  const { keyspaces, epoch } = operations.current();
  const found = keyspaces.find((keyspace) => keyspace.name === session.keyspace.name);
  return {
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
  return new PendingOperation<unknown>(operation.then(shape), writeJson);
}

/** JSON-like data as RESP: objects become maps, fractions doubles, booleans booleans. */
function writeJson(out: ReplyWriter, value: unknown): void {
  if (typeof value === 'string') out.bulkText(value);
  else if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) out.integer(value);
    else out.double(value);
  } else if (typeof value === 'boolean') out.boolean(value);
  else if (Array.isArray(value)) {
    out.array(value.length);
    for (const entry of value as unknown[]) writeJson(out, entry);
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    out.map(entries.length);
    for (const [name, entry] of entries) {
      out.bulkText(name);
      writeJson(out, entry);
    }
  } else out.nil();
}
