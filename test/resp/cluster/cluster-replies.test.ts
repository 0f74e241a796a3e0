import { describe, expect, it } from 'vitest';
import {
  clusterInfoText,
  clusterNodesText,
  writeClusterShards,
  writeClusterSlots,
} from '../../../resp/cluster/cluster-replies.ts';
import type { ClusterDescription } from '../../../resp/cluster/cluster-replies.ts';
import { ReplyWriter } from '../../../resp/wire/encoder.ts';
import { formatInfo } from '../../../resp/info/info.ts';
import type { Reply } from '../../../resp/wire/reply-decoder.ts';
import { decodeReplies } from '../split.ts';

const id = (letter: string): string => letter.repeat(40);

const CLUSTER: ClusterDescription = {
  nodes: [
    { id: id('a'), host: '10.0.0.1', port: 7380, state: 'online' },
    { id: id('b'), host: '10.0.0.2', port: 7380, state: 'online' },
    { id: id('c'), host: '10.0.0.3', port: 7380, state: 'failed' },
    { id: id('d'), host: '10.0.0.4', port: 7380, state: 'loading' },
  ],
  ranges: [
    { start: 0, end: 127, owners: [0, 1] },
    { start: 128, end: 255, owners: [0, 1] },
    { start: 256, end: 8191, owners: [1, 2] },
    { start: 8192, end: 8192, owners: [] },
    { start: 8193, end: 16_383, owners: [0, 1] },
  ],
  epoch: 7,
  isRed: false,
  isTls: false,
  isNode: true,
  self: { id: id('b'), host: '10.0.0.2', port: 7380 },
};

function plain(reply: Reply): unknown {
  if (reply.type === 'bulk') return reply.bytes.toString();
  if (reply.type === 'integer') return reply.value;
  if (reply.type === 'array') return reply.items.map(plain);
  if (reply.type === 'map') {
    return Object.fromEntries(reply.entries.map(([key, value]) => [plain(key), plain(value)]));
  }
  return reply.type;
}

function written(write: (out: ReplyWriter) => void): unknown {
  const out = new ReplyWriter();
  out.protocol = 3;
  write(out);
  return decodeReplies([out.take()]).map(plain)[0];
}

describe('cluster replies', () => {
  it('gives SLOTS with primaries and replicas per joined range', () => {
    const a = ['10.0.0.1', 7380, id('a'), []];
    const b = ['10.0.0.2', 7380, id('b'), []];
    const c = ['10.0.0.3', 7380, id('c'), []];
    expect(written((out) => writeClusterSlots(CLUSTER, out))).toEqual([
      [0, 0, a, a],
      [256, 256, b, b],
      [1, 255, a, b],
      [257, 8191, b, c],
      [8193, 16_383, a, b],
    ]);
  });

  it('lists every primary as such in SLOTS before it lists it as a replica', () => {
    for (const [nodeCount, replication] of [
      [2, 2],
      [3, 2],
      [5, 3],
      [9, 7],
    ] as const) {
      const ranges = Array.from({ length: 64 }, (_, shard) => ({
        start: shard * 256,
        end: shard * 256 + 255,
        owners: Array.from(
          { length: replication },
          (__, rank) => (shard + rank * rank) % nodeCount,
        ),
      })).map((range) => ({ ...range, owners: [...new Set(range.owners)] }));
      const nodes = Array.from({ length: nodeCount }, (_, at) => ({
        id: id(String(at)),
        host: '10.0.0.1',
        port: at,
        state: 'online' as const,
      }));
      const slots = written((out) => writeClusterSlots({ ...CLUSTER, nodes, ranges }, out)) as [
        number,
        number,
        ...[string, number][],
      ][];
      const firstSeen = new Map<number, string>();
      const owners = new Map<number, number>();
      for (const [start, end, ...listed] of slots) {
        for (const [rank, [, port]] of listed.entries()) {
          if (!firstSeen.has(port)) firstSeen.set(port, rank === 0 ? 'primary' : 'replica');
        }
        for (let slot = start; slot <= end; slot++) owners.set(slot, listed[0]?.[1] ?? -1);
      }
      expect([...new Set(firstSeen.values())]).toEqual(['primary']);
      // A client may assume that all ranges of a primary have the replicas of the first; there must
      // be none.
      const introductions = new Map(slots.toReversed().map((range) => [range[2]?.[1], range]));
      expect(introductions.size).toBe(nodeCount);
      for (const [, , ...listed] of introductions.values()) {
        expect(new Set(listed.map(String)).size).toBe(1);
      }
      const lengths = new Set(slots.map((range) => `${range[2]?.[1]} ${range.length}`));
      expect(lengths.size).toBe(new Set(slots.map((range) => range[2]?.[1])).size);
      for (const { start, end, owners: expected } of ranges) {
        for (const slot of [start, start + 1, end]) expect(owners.get(slot)).toBe(expected[0]);
      }
      expect(owners.size).toBe(16_384);
    }
  });

  it('lists the same number of nodes in SLOTS for every slot of a primary, repeating the first ones', () => {
    const ranges = [
      { start: 0, end: 99, owners: [0, 1, 2] },
      { start: 100, end: 199, owners: [0, 3] },
      { start: 200, end: 299, owners: [0] },
      { start: 300, end: 399, owners: [2] },
    ];
    const slots = written((out) => writeClusterSlots({ ...CLUSTER, ranges }, out)) as [
      number,
      number,
      ...[string, number, string, []][],
    ][];
    const listed = new Map(
      slots.map(([first, , ...nodes]) => [first, nodes.map(([, , name]) => name[0]).join('')]),
    );
    expect(Object.fromEntries(listed)).toMatchObject({
      0: 'aaa',
      1: 'abc',
      100: 'ada',
      200: 'aaa',
      300: 'c',
    });
  });

  it('gives SHARDS with every primary as the master of its slots, and no replicas', () => {
    const shards = written((out) => writeClusterShards(CLUSTER, out)) as {
      slots: number[];
      nodes: { id: string; role: string; health: string; port: number }[];
    }[];
    expect(shards.map((shard) => shard.slots)).toEqual([
      [0, 255, 8193, 16_383],
      [256, 8191],
    ]);
    expect(shards.map(({ nodes }) => nodes.map((n) => [n.id[0], n.role, n.health]))).toEqual([
      [['a', 'master', 'online']],
      [['b', 'master', 'online']],
    ]);
  });

  it('gives SHARDS the ports of TLS to clients with TLS, as Redis with a tls-port alone does', () => {
    const out = new ReplyWriter();
    writeClusterShards({ ...CLUSTER, isTls: true }, out);
    const text = Buffer.concat(out.takeChunks()).toString();
    expect(text).toContain(`${id('a')}\r\n$8\r\ntls-port\r\n:7380\r\n$2\r\nip\r\n`);
    expect(text).not.toContain('$4\r\nport\r\n');
  });

  it('joins ranges with the same primary in SHARDS and NODES, whatever their replicas', () => {
    const ranges = [
      { start: 0, end: 99, owners: [0, 1] },
      { start: 100, end: 16_383, owners: [0, 2] },
    ];
    const [shard] = written((out) => writeClusterShards({ ...CLUSTER, ranges }, out)) as [
      { slots: number[] },
    ];
    expect(shard.slots).toEqual([0, 16_383]);
    expect(clusterNodesText({ ...CLUSTER, ranges })).toContain('connected 0-16383\n');
  });

  it('gives NODES with every datanode as a master', () => {
    expect(clusterNodesText(CLUSTER)).toBe(
      [
        `${id('a')} 10.0.0.1:7380@17380 master - 0 0 7 connected 0-255 8193-16383\n`,
        `${id('b')} 10.0.0.2:7380@17380 myself,master - 0 0 7 connected 256-8191\n`,
        `${id('c')} 10.0.0.3:7380@17380 master,fail - 0 0 7 disconnected\n`,
        `${id('d')} 10.0.0.4:7380@17380 master - 0 0 7 connected\n`,
      ].join(''),
    );
  });

  it('gives NODES a line marked myself for a process that is not a node', () => {
    const outsider = {
      ...CLUSTER,
      isNode: false,
      self: { id: id('f'), host: '10.0.0.9', port: 7379 },
    };
    const line = `${id('f')} 10.0.0.9:7379@17379 myself,slave,noaddr ${id('a')} 0 0 7 connected\n`;
    expect(clusterNodesText(outsider).split('\n')).toHaveLength(6);
    expect(clusterNodesText(outsider).endsWith(line)).toBe(true);
    expect(clusterInfoText(outsider)).toMatch(/^cluster_enabled:0\r\ncluster_slots_assigned/);
  });

  it('says ok in INFO only when every slot is covered', () => {
    expect(clusterInfoText(CLUSTER)).toContain(
      'cluster_state:fail\r\ncluster_slots_assigned:16383',
    );
    const whole = { ...CLUSTER, ranges: [{ start: 0, end: 16_383, owners: [0] }] };
    expect(clusterInfoText(whole)).toContain('cluster_state:ok\r\ncluster_slots_assigned:16384');
  });

  it('says fail in INFO while the cluster is red, and counts the slots of nodes that may be dead', () => {
    const nodes = CLUSTER.nodes.map((node) => ({ ...node, state: 'failed' as const }));
    const asked = { ...CLUSTER, nodes, ranges: [{ start: 0, end: 16_383, owners: [0] }] };
    expect(clusterInfoText({ ...asked, isRed: true })).toContain(
      'cluster_state:fail\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:0\r\ncluster_slots_pfail:16384',
    );
  });
});

describe('formatInfo', () => {
  const sections = [
    { name: 'Server', fields: { redis_version: '7.4.0', port: 1 } },
    { name: 'Keyspace', fields: { db0: 'keys=1' } },
  ];

  it.each([[[]], [['default']], [['ALL']], [['everything', 'x']]])('gives all for %j', (asked) => {
    expect(formatInfo(sections, asked)).toBe(
      '# Server\r\nredis_version:7.4.0\r\nport:1\r\n\r\n# Keyspace\r\ndb0:keys=1\r\n',
    );
  });

  it('gives the named sections, in any case, and nothing for unknown ones', () => {
    expect(formatInfo(sections, ['KEYSPACE'])).toBe('# Keyspace\r\ndb0:keys=1\r\n');
    expect(formatInfo(sections, ['nope'])).toBe('');
  });
});
