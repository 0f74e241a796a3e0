// The keys of a keyspace that are read most, and its largest values, from the samples of all
// datanodes.

import { SteleError } from '../../base/errors.ts';
import type { ListHotKeysRequest, ListHotKeysResponse } from '../../proto/gen/stele/v1/cluster.ts';
import type { HotKey } from '../../proto/gen/stele/v1/hot_keys.ts';
import { requireKeyspace } from '../catalog/queries.ts';
import type { Leader } from '../control/leader.ts';
import { askDatanodes } from './ask-datanodes.ts';

const LIMIT_DEFAULT = 20;
const LIMIT_MAX = 100;
const DEADLINE_MS = 2_000;

/** Throws KEYSPACE_NOT_FOUND, INVALID_ARGUMENT, and UNAVAILABLE if no datanode answers. */
export async function listHotKeys(
  leader: Leader,
  { keyspace: name, limit: wanted }: ListHotKeysRequest,
): Promise<ListHotKeysResponse> {
  const keyspace = requireKeyspace(leader.catalog.state, name);
  if (wanted > LIMIT_MAX) {
    throw new SteleError('INVALID_ARGUMENT', `At most ${LIMIT_MAX} keys are listed.`);
  }
  const limit = wanted || LIMIT_DEFAULT;
  const about = { keyspaceUid: keyspace.uid, limit: LIMIT_MAX };
  const { answers, unanswered } = await askDatanodes(leader, (link, expectNode) =>
    link.getHotKeys({ expectNode, ...about }, { deadlineMs: DEADLINE_MS }),
  );
  if (answers.length === 0) {
    const text = `No datanode can say which keys of keyspace '${name}' are read; wait until its datanodes are back (\`stele nodes\`).`;
    throw new SteleError('UNAVAILABLE', text);
  }
  const hottest = merged(answers.flatMap((answer) => answer.hottest));
  const largest = merged(answers.flatMap((answer) => answer.largest));
  return {
    readsPerSecond: answers.reduce((sum, { readsPerSecond }) => sum + readsPerSecond, 0),
    hottest: hottest.sort((a, b) => b.readsPerSecond - a.readsPerSecond).slice(0, limit),
    largest: largest.sort((a, b) => sizeOf(b) - sizeOf(a)).slice(0, limit),
    unanswered,
  };
}

/** One entry a key: its replicas share its reads. */
function merged(all: readonly HotKey[]): HotKey[] {
  const byKey = new Map<string, HotKey>();
  for (const one of all) {
    const name = Buffer.from(one.key).toString('latin1');
    const known = byKey.get(name);
    if (known === undefined) byKey.set(name, { ...one });
    else known.readsPerSecond += one.readsPerSecond;
  }
  return [...byKey.values()];
}

function sizeOf({ valueBytes }: HotKey): number {
  return valueBytes ?? 0;
}
