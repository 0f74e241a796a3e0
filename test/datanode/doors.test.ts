// Every way to read from a datanode, in every state in which it may not know the answer: never "not
// found", 0 or an empty list for an existing key, but its value or an error that says so.

import { describe, expect, it } from 'vitest';
import { monotonicNowMs } from '../../base/clock.ts';
import { toSteleError } from '../../base/errors.ts';
import { datanodeLookupService } from '../../datanode/endpoints/grpc-service.ts';
import { scanKeys } from '../../datanode/endpoints/scan-keys.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import type { LookupResponse } from '../../proto/gen/stele/v1/lookup.ts';
import { steleErrorFromGrpc } from '../../transport/grpc-errors.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';
import { lookUpIn, orderHeader } from '../support/peers/datanode.ts';
import { TEST_UID, manifestOf, numberedPairs, segmentsOf } from '../support/segments/segments.ts';
import { RespNode, shown } from './resp-node.ts';

const SHARDS = 4;
const PAIRS = numberedPairs(50);
const KEY = 'key-7';
const VALUE = 'value of key-7';
const SLOT = slotOfKey(Buffer.from(KEY), 0, KEY.length);

/** Each resolves to what it returns for KEY: `known`, or the code or first word of an error. */
const DOORS: Record<string, (node: RespNode) => Promise<string>> = {
  ...resp(['GET', KEY], VALUE),
  ...resp(['MGET', KEY], VALUE),
  ...resp(['EXISTS', KEY], '1'),
  ...resp(['STRLEN', KEY], String(VALUE.length)),
  ...resp(['TYPE', KEY], 'string'),
  ...resp(['TTL', KEY], '-1'),
  ...resp(['GETRANGE', KEY, '0', '-1'], VALUE),
  ...resp(['OBJECT', 'ENCODING', KEY], 'embstr'),
  ...resp(['SCAN', '0', 'COUNT', '1000'], KEY),
  ...resp(['DBSIZE'], '50'),
  ...resp(['RANDOMKEY'], 'key-'),
  ...resp(['CLUSTER', 'COUNTKEYSINSLOT', String(SLOT)], '1'),
  ...resp(['CLUSTER', 'GETKEYSINSLOT', String(SLOT), '10'], KEY),
  'gRPC Lookup': async ({ node }) => {
    const request = { keyspace: 'default', keys: [Buffer.from(KEY)], version: 0 };
    const handle = datanodeLookupService(node).lookup;
    const { results } = await new Promise<LookupResponse>((resolve, reject) => {
      const call = { request, on: () => undefined } as never;
      handle(call, (error, response) => {
        if (response === null || response === undefined) reject(steleErrorFromGrpc(error, 'it'));
        else resolve(response);
      });
    });
    return results[0]?.status === LookupStatus.OK ? 'known' : statusName(results[0]?.status);
  },
  'bare lookups': async ({ node }) => {
    const [answer] = await lookUpIn(node, [KEY]);
    return answer === VALUE ? 'known' : statusName(answer as LookupStatus);
  },
  'gRPC ScanKeys': async ({ node }) => {
    const place = { expectNode: '', keyspaceUid: TEST_UID, version: 1, shard: 0, position: 0 };
    const rest = { skipMissing: false, recordsMax: 1000, pattern: Buffer.alloc(0) };
    const { keys } = await scanKeys(node, { ...place, ...rest });
    return keys.length > 0 ? 'known' : 'empty';
  },
  'gRPC ScanKeys of a slot': async ({ node }) => {
    const shard = shardOfSlot(SLOT, SHARDS);
    const place = { expectNode: '', keyspaceUid: TEST_UID, version: 1, shard, position: 0 };
    const rest = { skipMissing: false, recordsMax: 1000, pattern: Buffer.alloc(0), slot: SLOT };
    const { keys } = await scanKeys(node, { ...place, ...rest });
    return keys.length > 0 ? 'known' : 'empty';
  },
};

function resp(
  command: string[],
  known: string,
): Record<string, (node: RespNode) => Promise<string>> {
  const ask = async (node: RespNode): Promise<string> => {
    const answer = await node.ask(...command);
    if (answer instanceof Error) return answer.message.split(' ')[0] ?? '';
    return shown(answer).includes(known) ? 'known' : shown(answer);
  };
  return { [`RESP ${command.join(' ')}`]: ask };
}

function statusName(status: LookupStatus | undefined): string {
  const [name] = Object.entries(LookupStatus).find(([, value]) => value === status) ?? ['none'];
  return name;
}

const addAll = ({ node }: RespNode): void => {
  node.tables.put(manifestOf(segmentsOf(PAIRS, SHARDS), SHARDS));
};

/** The node's knowledge in each state, and its error if it cannot know. */
const STATES: Record<string, { make: (node: RespNode) => Promise<void> | void; says: RegExp }> = {
  'nothing is known': { make: () => undefined, says: /^(LOADING|UNINITIALIZED|UNAVAILABLE)$/ },
  'there is a manifest and no view': {
    make: addAll,
    says: /^(LOADING|UNINITIALIZED|UNAVAILABLE)$/,
  },
  'there is a view and no manifest': {
    make: (node) => {
      node.load(PAIRS);
      node.node.tables.remove({ keyspaceUid: TEST_UID, version: 1 });
    },
    says: /^(CLUSTERDOWN|UNAVAILABLE)$/,
  },
  'the segments are not here': {
    make: (node) => node.load(PAIRS, [0, 1, 2, 3]),
    says: /^(MOVED|CLUSTERDOWN|UNAVAILABLE)$/,
  },
  'the view does not name the keyspace, and the master is silent': {
    make: (node) => {
      node.load(PAIRS, [0, 1, 2, 3]);
      node.change((view) => (view.keyspaces = []));
      node.node.contact.heard(monotonicNowMs() - 60_000, true);
    },
    says: /^(CLUSTERDOWN|UNAVAILABLE)$/,
  },
  'the view does not name the keyspace, and the master has told of another view': {
    make: (node) => {
      node.load(PAIRS, [0, 1, 2, 3]);
      node.change((view) => (view.keyspaces = []));
      node.node.contact.heard(monotonicNowMs(), false);
    },
    says: /^(CLUSTERDOWN|UNAVAILABLE)$/,
  },
  'the keyspace is suspended': {
    make: async (node) => {
      node.load(PAIRS, [0, 1, 2, 3]);
      node.change((view) => view.keyspaces.forEach((keyspace) => (keyspace.suspended = true)));
    },
    says: /^(SUSPENDED|UNAVAILABLE)$/,
  },
  'the master has been silent for longer than the node may serve': {
    make: (node) => {
      node.load(PAIRS);
      node.node.contact.heard(monotonicNowMs() - 11_000, true);
      node.node.checkContact(monotonicNowMs());
    },
    says: /^(CLUSTERDOWN|UNAVAILABLE)$/,
  },
  'the master is heard, and its view has not been taken for longer than the node may serve': {
    make: (node) => {
      node.load(PAIRS);
      node.node.contact.heard(monotonicNowMs() - 11_000, true);
      node.node.contact.heard(monotonicNowMs(), false);
      node.node.checkContact(monotonicNowMs());
    },
    says: /^(CLUSTERDOWN|UNAVAILABLE)$/,
  },
};

describe.each(['memory', 'disk'] as const)('the tier %s', (tier) => {
  describe.each(Object.entries(STATES))('where %s', (_state, { make, says }) => {
    it.each(Object.entries(DOORS))('%s does not say "not found"', async (_door, ask) => {
      const node = await RespNode.open(SHARDS, { serveWithoutMasterMaxMs: 10_000, tier });
      await make(node);
      await node.settled();
      const answer = await ask(node).catch((thrown: unknown) => toSteleError(thrown).code);
      expect(answer).toMatch(says);
    });
  });

  it.each(Object.entries(DOORS))('%s is answered if everything is here', async (_door, ask) => {
    const node = await RespNode.open(SHARDS, { tier });
    node.load(PAIRS);
    await node.settled();
    expect(await ask(node)).toBe('known');
  });

  it('a datanode that hears its master again answers again', async () => {
    const node = await RespNode.open(SHARDS, { serveWithoutMasterMaxMs: 10_000, tier });
    node.load(PAIRS);
    node.node.contact.heard(monotonicNowMs() - 11_000, true);
    node.node.checkContact(monotonicNowMs());
    expect(shown(await node.ask('GET', KEY))).toMatch(/has not heard its master for 11/);
    await node.node.heartbeat({ header: orderHeader(node.node) }, monotonicNowMs());
    expect(await node.ask('GET', KEY)).toBe(VALUE);
  });
});
