// Client libraries with one interface, for tests that do the same with each.

import { Batch, ClusterBatch, ClusterScanCursor, GlideClient } from '@valkey/valkey-glide';
import type { GlideClusterClient } from '@valkey/valkey-glide';

/** The common interface of all client libraries. */
export interface LibraryClient {
  get(key: string): Promise<unknown>;
  mget(keys: string[]): Promise<unknown>;
  /** GETs of keys of one slot between MULTI and EXEC. */
  transaction(keys: string[]): Promise<unknown>;
  scan(): Promise<string[]>;
  size(): Promise<number>;
  set(key: string, value: string): Promise<unknown>;
  close(): unknown;
}

/** The part of ioredis that its forks and old releases share. */
interface IoredisClient {
  get(key: string): Promise<string | null>;
  mget(...keys: string[]): Promise<(string | null)[]>;
  set(key: string, value: string): Promise<unknown>;
  multi(): { get(key: string): unknown; exec(): Promise<[Error | null, unknown][]> };
  scanStream(options: { count: number }): AsyncIterable<string[]>;
  dbsize(): Promise<number>;
  nodes?(role: 'master'): IoredisClient[];
  on(event: 'error', listener: () => void): unknown;
  disconnect(): void;
}

export interface Ioredis {
  readonly Redis: new (options: object) => IoredisClient;
  readonly Cluster: new (seeds: object[], options: object) => IoredisClient;
}

export function ioredisClient(client: IoredisClient): LibraryClient {
  client.on('error', () => undefined);
  const each = (): IoredisClient[] => client.nodes?.('master') ?? [client];
  return {
    get: (key) => client.get(key),
    mget: (keys) => client.mget(...keys),
    transaction: async (keys) => {
      const multi = client.multi();
      for (const key of keys) multi.get(key);
      return (await multi.exec()).map(([error, value]) => error ?? value);
    },
    scan: async () => {
      const keys: string[] = [];
      for (const node of each()) {
        for await (const page of node.scanStream({ count: 100 })) keys.push(...page);
      }
      return keys;
    },
    size: async () => {
      let size = 0;
      for (const node of each()) size += await node.dbsize();
      return size;
    },
    set: (key, value) => client.set(key, value),
    close: () => client.disconnect(),
  };
}

/** The part of node-redis that its releases 4 and 6 share. */
interface NodeRedisClient {
  connect(): Promise<unknown>;
  get(key: string): Promise<unknown>;
  mGet(keys: string[]): Promise<unknown>;
  set(key: string, value: string): Promise<unknown>;
  multi(): { get(key: string): unknown; exec(): Promise<unknown> };
  scan(cursor: unknown): Promise<{ cursor: unknown; keys: string[] }>;
  dbSize(): Promise<number>;
  readonly masters?: readonly { readonly address: string }[];
  nodeClient?(node: unknown): NodeRedisClient | Promise<NodeRedisClient>;
  on(event: 'error', listener: () => void): unknown;
  destroy?(): unknown;
  disconnect(): Promise<unknown>;
}

export interface NodeRedis {
  createClient(options: object): NodeRedisClient;
  createCluster(options: object): NodeRedisClient;
}

export async function nodeRedisClient(
  client: NodeRedisClient,
  firstCursor: unknown,
): Promise<LibraryClient> {
  client.on('error', () => undefined);
  await client.connect();
  const each = async (): Promise<NodeRedisClient[]> => {
    // Release 4 lists a node once for each of its ranges.
    const masters = new Map((client.masters ?? []).map((node) => [node.address, node]));
    if (client.masters === undefined) return [client];
    const clients: NodeRedisClient[] = [];
    for (const node of masters.values()) clients.push((await client.nodeClient?.(node)) ?? client);
    return clients;
  };
  return {
    get: (key) => client.get(key),
    mget: (keys) => client.mGet(keys),
    transaction: (keys) => {
      const multi = client.multi();
      for (const key of keys) multi.get(key);
      return multi.exec();
    },
    scan: async () => {
      const keys: string[] = [];
      for (const node of await each()) {
        let cursor = firstCursor;
        do {
          const page = await node.scan(cursor);
          keys.push(...page.keys);
          ({ cursor } = page);
        } while (String(cursor) !== '0');
      }
      return keys;
    },
    size: async () => {
      let size = 0;
      for (const node of await each()) size += await node.dbSize();
      return size;
    },
    set: (key, value) => client.set(key, value),
    close: () => client.destroy?.() ?? client.disconnect(),
  };
}

/** node-redis 3. */
export interface CallbackClient {
  send_command(
    name: string,
    args: string[],
    done: (error: Error | null, reply: unknown) => void,
  ): void;
  quit(): void;
}

export function callbackClient(client: CallbackClient): LibraryClient {
  const call = (name: string, ...args: string[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      client.send_command(name, args, (error, reply) => {
        if (error === null) resolve(reply);
        else reject(error);
      });
    });
  return {
    get: (key) => call('GET', key),
    mget: (keys) => call('MGET', ...keys),
    transaction: async (keys) => {
      await call('MULTI');
      for (const key of keys) await call('GET', key);
      return call('EXEC');
    },
    scan: async () => {
      const keys: string[] = [];
      let cursor = '0';
      do {
        const [next, page] = (await call('SCAN', cursor)) as [string, string[]];
        keys.push(...page);
        cursor = next;
      } while (cursor !== '0');
      return keys;
    },
    size: async () => Number(await call('DBSIZE')),
    set: (key, value) => call('SET', key, value),
    close: () => client.quit(),
  };
}

/** GLIDE. */
export function glideClient(client: GlideClient | GlideClusterClient): LibraryClient {
  return {
    get: (key) => client.get(key),
    mget: (keys) => client.mget(keys),
    transaction: (keys) => {
      const batch = client instanceof GlideClient ? new Batch(true) : new ClusterBatch(true);
      for (const key of keys) batch.get(key);
      return client instanceof GlideClient
        ? client.exec(batch as Batch, true)
        : client.exec(batch as ClusterBatch, true);
    },
    scan: async () => {
      const keys: string[] = [];
      if (client instanceof GlideClient) {
        let cursor = '0';
        do {
          const [next, page] = await client.scan(cursor);
          keys.push(...page.map(String));
          cursor = String(next);
        } while (cursor !== '0');
        return keys;
      }
      for (let cursor = new ClusterScanCursor(); !cursor.isFinished();) {
        const [next, page] = await client.scan(cursor, { count: 500 });
        keys.push(...page.map(String));
        cursor = next;
      }
      return keys;
    },
    size: () => client.dbsize(),
    set: (key, value) => client.set(key, value),
    close: () => client.close(),
  };
}
