// A small RESP server for tests of the command line: the real protocol over a Map.

import { onTestFinished } from 'vitest';
import { silentLogger } from '../../base/log.ts';
import type { PendingReply } from '../../resp/commands/pending-reply.ts';
import type { CommandSpec } from '../../resp/commands/command-spec.ts';
import { argumentText } from '../../resp/wire/decoder.ts';
import type { CommandArguments } from '../../resp/wire/decoder.ts';
import type { ReplyWriter } from '../../resp/wire/encoder.ts';
import { startRespListener } from '../../resp/server/listener.ts';
import type { RespListener } from '../../resp/server/listener.ts';
import type { Session } from '../../resp/commands/session.ts';
import { LaterReply, MapBackend } from '../resp/map-backend.ts';

/** Also answers STELE KEYSPACES, and refuses reads if the selected keyspace does not exist. */
class CliBackend extends MapBackend {
  /** Commands that are never answered: `GET hang`. */
  hanging = 0;

  override execute(
    spec: CommandSpec,
    command: CommandArguments,
    session: Session,
    out: ReplyWriter,
  ): PendingReply | undefined {
    const { name } = session.keyspace;
    if (spec.name === 'stele|keyspaces') {
      out.array(this.keyspaces.length);
      for (const keyspace of this.keyspaces) {
        out.map(1);
        out.bulk(Buffer.from('name'));
        out.bulk(Buffer.from(keyspace.name));
      }
      return undefined;
    }
    if (spec.name === 'get' && argumentText(command, 1) === 'hang') {
      this.hanging++;
      return new LaterReply(undefined);
    }
    if (!this.keyspaces.some((keyspace) => keyspace.name === name)) {
      out.error(`ERR There is no keyspace '${name}'.`);
      return undefined;
    }
    return super.execute(spec, command, session, out);
  }
}

export interface RespServer {
  readonly port: number;
  readonly backend: CliBackend;
  /** Stops it, and disconnects its clients. */
  stop(): Promise<void>;
  /** Starts it again on the same port. */
  start(): Promise<void>;
}

/** To be called inside a test; the server stops when that test has finished. */
export async function startRespServer(
  entries: readonly (readonly [string, string])[],
  keyspaces: readonly string[] = ['default', 'geo'],
): Promise<RespServer> {
  const backend = new CliBackend(entries);
  // As in a cluster: 0 is `default`, whether it exists or not.
  const refs = keyspaces.map((name, at) => ({ name, index: name === 'default' ? 0 : at + 1 }));
  backend.keyspaces.splice(0, 2, ...refs);
  const listen = (port: number): Promise<RespListener> =>
    startRespListener({ host: '127.0.0.1', port, backend, maxConnections: 10, log: silentLogger });
  let listener = await listen(0);
  const { port } = listener;
  onTestFinished(() => listener.close(0));
  return {
    port,
    backend,
    stop: () => listener.close(0),
    start: async () => {
      listener = await listen(port);
    },
  };
}
