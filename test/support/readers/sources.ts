// The ways in which users read: Redis clients on the master, on the datanodes, and HTTP.

import { Cluster, Redis } from 'ioredis';
import type { Command } from 'ioredis';
import { expect } from 'vitest';
import type { Source } from './read-attempt.ts';
import type { VersionedRows } from '../inputs/rows.ts';

export interface RespAddress {
  readonly host: string;
  readonly resp: number;
}

/** Selects a keyspace on every connection that a client opens: a user with its name. */
export function credentialsOf(keyspace: string): { username: string; password: string } {
  return { username: keyspace, password: 'any' };
}

/** ioredis on one address; connection errors appear in the commands, so they are not logged. */
export function connectRedis({ host, resp }: RespAddress, keyspace: string): Redis {
  const client = new Redis({ host, port: resp, ...credentialsOf(keyspace) });
  client.on('error', () => undefined);
  return client;
}

/**
 * Asks the copies of a key in turn, so that the read after a timeout goes to another one. By itself
 * ioredis chooses at random: of seven tries within a second at a node that hangs, all go there once
 * in 128 reads.
 */
function copiesInTurn(): (nodes: Redis[], command: Command) => Redis | undefined {
  const askedLast = new Map<string, number>();
  let next = 0;
  return (nodes, { args }) => {
    const key = String(args[0]);
    const turn = (askedLast.get(key) ?? next++) + 1;
    askedLast.set(key, turn);
    return nodes[turn % nodes.length];
  };
}

/**
 * ioredis as a cluster client, directly on the datanodes, including replicas. Without
 * `commandTimeoutMs` it waits for ever for a connected node that does not answer.
 */
export function connectCluster(
  nodes: readonly RespAddress[],
  keyspace: string,
  commandTimeoutMs?: number,
): Cluster {
  const timeout = commandTimeoutMs === undefined ? {} : { commandTimeout: commandTimeoutMs };
  const client = new Cluster(
    nodes.map(({ host, resp }) => ({ host, port: resp })),
    {
      scaleReads: commandTimeoutMs === undefined ? 'all' : copiesInTurn(),
      retryDelayOnFailover: 20,
      retryDelayOnClusterDown: 20,
      retryDelayOnMoved: 20,
      maxRedirections: 40,
      // Without it, a client that is never redirected does not learn of a node that came back.
      slotsRefreshInterval: 500,
      slotsRefreshTimeout: commandTimeoutMs ?? 1000,
      redisOptions: { ...credentialsOf(keyspace), connectTimeout: 500, ...timeout },
    },
  );
  client.on('error', () => undefined);
  return client;
}

/** GET for one key, MGET for several. */
export function respSource(name: string, client: Redis | Cluster): Source {
  return {
    name,
    read: async (keys) =>
      keys.length === 1 ? [await client.getBuffer(keys[0] ?? '')] : client.mgetBuffer([...keys]),
    close: () => client.disconnect(),
  };
}

/** GET of the value's own resource. */
export function httpSource(origin: string, keyspace: string, name = 'HTTP'): Source {
  return {
    name,
    read: (keys, budgetMs) =>
      Promise.all(keys.map((key) => getValue(origin, keyspace, key, budgetMs))),
    close: () => undefined,
  };
}

/** Those of the sources that may be used, in turn. */
export function anyOf(
  name: string,
  sources: readonly Source[],
  mayUse: (at: number) => boolean,
): Source {
  let next = 0;
  return {
    name,
    read: (keys, budgetMs) => {
      const left = sources.filter((_unused, at) => mayUse(at));
      return left[next++ % left.length]!.read(keys, budgetMs);
    },
    close: async () => {
      for (const source of sources) await source.close();
    },
  };
}

/** One value by `GET /v1/keyspaces/{ks}/keys/{key}`; null for 404, throws for other errors. */
export async function getValue(
  origin: string,
  keyspace: string,
  key: string,
  budgetMs = 5000,
): Promise<Buffer | null> {
  const url = `${origin}/v1/keyspaces/${keyspace}/keys/${encodeURIComponent(key)}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(Math.ceil(budgetMs)) });
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status === 200) return body;
  if (response.status === 404) return null;
  throw new Error(`HTTP ${response.status} ${body.toString()}`);
}

/** All keys by one `POST lookup`, so all of one version. */
export function postLookupSource(origin: string, keyspace: string): Source {
  return {
    name: 'POST lookup',
    read: async (keys, budgetMs) => (await postLookup(origin, keyspace, keys, budgetMs)).values,
    close: () => undefined,
  };
}

interface LookupAnswer {
  readonly version: number;
  readonly results: readonly { status: string; value?: string | null }[];
}

/** `POST /v1/keyspaces/{ks}/lookup` in base64; throws unless every key has an answer. */
export async function postLookup(
  origin: string,
  keyspace: string,
  keys: readonly string[],
  budgetMs = 5000,
): Promise<{ version: number; values: (Buffer | null)[] }> {
  const response = await fetch(`${origin}/v1/keyspaces/${keyspace}/lookup`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      keys: keys.map((key) => Buffer.from(key).toString('base64')),
      encoding: 'base64',
    }),
    signal: AbortSignal.timeout(Math.ceil(budgetMs)),
  });
  if (response.status !== 200) throw new Error(`HTTP ${response.status} ${await response.text()}`);
  const { version, results } = (await response.json()) as LookupAnswer;
  return { version, values: results.map(valueOf) };
}

function valueOf(result: LookupAnswer['results'][number]): Buffer | null {
  if (result.status === 'NOT_FOUND') return null;
  if (result.status !== 'OK') throw new Error(result.status);
  return Buffer.from(result.value ?? '', 'base64');
}

/**
 * Throws unless every key of `rows` has its value of `version`, all read in batches of one version.
 */
export async function expectAllRows(
  origin: string,
  keyspace: string,
  rows: VersionedRows,
  version: number,
): Promise<void> {
  for (let from = 0; from < rows.count; from += 1000) {
    const keys = Array.from({ length: Math.min(1000, rows.count - from) }, (_, at) =>
      rows.key(from + at),
    );
    const answer = await postLookup(origin, keyspace, keys);
    expect(answer.version).toBe(version);
    expect(answer.values.map(String)).toEqual(keys.map((key) => rows.value(key, version)));
  }
}
