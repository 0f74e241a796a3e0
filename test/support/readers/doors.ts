// Every protocol as a function that reads one key, for rows that are read through all of them.

import { ChannelCredentials } from '@grpc/grpc-js';
import { expect, onTestFinished } from 'vitest';
import { GRPC_MESSAGE_BYTES_MAX } from '../../../base/limits.ts';
import { SteleClient } from '../../../client/stele-client.ts';
import { LookupServiceClient } from '../../../proto/gen/stele/v1/lookup.ts';
import { callUnary } from '../../../transport/grpc-channel.ts';
import type { TestCluster } from '../process/cluster.ts';
import { connectCluster, connectRedis, getValue, postLookup } from './sources.ts';

type Read = (key: string) => Promise<Uint8Array | null | undefined>;
/**
 * Connects to `keyspace` of a cluster with three datanodes; what it opens is closed when the test
 * ends.
 */
type Door = (cluster: TestCluster, keyspace: string) => Read;

const DEADLINE_MS = 30_000;

export const DOORS: readonly (readonly [string, Door])[] = [
  ['RESP on the master', respOnMaster],
  ['RESP on the datanodes', respOnDatanodes],
  ['HTTP, one value', httpValue],
  ['HTTP, one value as JSON', httpJson],
  ['HTTP, many values', httpMany],
  ['gRPC', grpc],
  ['the library', library],
];

/** Compares one at a time, and itself, because a failed assertion would print the large value. */
export async function expectRows(rows: ReadonlyMap<string, Buffer>, read: Read): Promise<void> {
  for (const [key, value] of rows) {
    const got = await read(key);
    const same = got !== null && got !== undefined && value.equals(got);
    expect([key.slice(0, 20), got?.length, same]).toEqual([key.slice(0, 20), value.length, true]);
  }
}

function respOnMaster(cluster: TestCluster, keyspace: string): Read {
  const client = connectRedis(cluster.master, keyspace);
  onTestFinished(() => client.disconnect());
  return (key) => client.getBuffer(key);
}

function respOnDatanodes(cluster: TestCluster, keyspace: string): Read {
  const nodes = ['node-0', 'node-1', 'node-2'].map((id) => cluster.node(id));
  const client = connectCluster(nodes, keyspace);
  onTestFinished(() => client.disconnect());
  return (key) => client.getBuffer(key);
}

function httpValue(cluster: TestCluster, keyspace: string): Read {
  return (key) => getValue(cluster.url(''), keyspace, key, DEADLINE_MS);
}

function httpJson(cluster: TestCluster, keyspace: string): Read {
  return async (key) => {
    const url = cluster.url(`/v1/keyspaces/${keyspace}/keys/${encodeURIComponent(key)}`);
    const reply = await fetch(url, { headers: { accept: 'application/json' } });
    const { encoding, value } = (await reply.json()) as { encoding: 'utf8'; value: string };
    return Buffer.from(value, encoding);
  };
}

function httpMany(cluster: TestCluster, keyspace: string): Read {
  return async (key) => {
    const { values } = await postLookup(cluster.url(''), keyspace, [key, 'none'], DEADLINE_MS);
    expect(values[1]).toBeNull();
    return values[0];
  };
}

function grpc(cluster: TestCluster, keyspace: string): Read {
  const credentials = ChannelCredentials.createInsecure();
  // Stele's own keepalive of a second would end the connection while a busy machine handles 64 MiB.
  const options = { 'grpc.max_receive_message_length': GRPC_MESSAGE_BYTES_MAX };
  const client = new LookupServiceClient(cluster.masterGrpc, credentials, options);
  onTestFinished(() => client.close());
  return async (key) => {
    const keys = [Buffer.from(key)];
    const request = { keyspace, keys, version: 0 };
    const patient = { deadlineMs: DEADLINE_MS };
    const answer = await callUnary(client.lookup.bind(client), request, 'the master', patient);
    return answer.results[0]?.value;
  };
}

function library(cluster: TestCluster, keyspace: string): Read {
  const client = new SteleClient({ seeds: [cluster.masterGrpc], deadlineMs: DEADLINE_MS });
  onTestFinished(() => client.close());
  return (key) => client.get(keyspace, key);
}
