// Looks up the keys that a load requires, on the datanodes, in a version that is not current yet.
//
// Each key is looked up on the nodes that confirmed all segments of its shard, one after the other,
// until one knows. "Not found" is an answer. If all nodes answer "unavailable", there is no answer
// and the commit must be retried: a gate never fails because a node is away.

import { SteleError, toSteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { RequiredKey } from '../../proto/gen/stele/v1/load.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import type { Manifest } from '../../proto/gen/stele/v1/segment.ts';
import type { KeyFinding } from '../../proto/load-gate.ts';
import type { DatanodeLink } from '../../proto/ports.ts';
import { lookupOne } from '../../transport/lookup-one.ts';
import { shardOfSlot } from '../../ring/shard.ts';
import { slotOfKey } from '../../ring/slot.ts';

const LOOKUP_DEADLINE_MS = 2_000;
/** Keys looked up concurrently. */
const PARALLEL = 32;

/** `heldByNode`: by node, the segment ids that it confirmed. Throws UNAVAILABLE. */
export async function findKeys(
  required: readonly RequiredKey[],
  manifest: Manifest,
  heldByNode: ReadonlyMap<string, ReadonlySet<string>>,
  linkOf: (nodeId: string) => DatanodeLink | undefined,
): Promise<KeyFinding[]> {
  const findings: KeyFinding[] = [];
  for (let first = 0; first < required.length; first += PARALLEL) {
    const some = required.slice(first, first + PARALLEL);
    const values = await Promise.all(
      some.map(({ key }) => findKey(key, manifest, holdersOf(key, manifest, heldByNode), linkOf)),
    );
    some.forEach((each, index) => findings.push({ required: each, value: values[index] ?? null }));
  }
  return findings;
}

function holdersOf(
  key: Buffer,
  manifest: Manifest,
  heldByNode: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  const shard = shardOfSlot(slotOfKey(key, 0, key.length), manifest.shardCount);
  const ids = manifest.segments.filter((segment) => segment.shard === shard).map(({ id }) => id);
  return [...heldByNode]
    .filter(([, held]) => ids.every((id) => held.has(id)))
    .map(([node]) => node);
}

async function findKey(
  key: Buffer,
  manifest: Manifest,
  holders: readonly string[],
  linkOf: (nodeId: string) => DatanodeLink | undefined,
): Promise<Buffer | null> {
  let failure: SteleError | undefined;
  for (const nodeId of holders) {
    try {
      const link = linkOf(nodeId);
      if (link === undefined) continue;
      const found = await lookup(link, manifest, key);
      if (found !== undefined) return found;
    } catch (thrown) {
      failure = toSteleError(thrown);
    }
  }
  throw new SteleError(
    'UNAVAILABLE',
    `No datanode could say whether the new version has the required key '${shorten(key.toString())}', so it was not committed; run the load again.`,
    failure === undefined ? {} : { cause: failure },
  );
}

/** Undefined if this node cannot know. */
async function lookup(
  link: DatanodeLink,
  { keyspaceUid, version }: Manifest,
  key: Buffer,
): Promise<Buffer | null | undefined> {
  const target = { keyspaceUid, version };
  const { status, value } = await lookupOne(link.lookups, target, key, LOOKUP_DEADLINE_MS);
  if (status === LookupStatus.OK) return value;
  return status === LookupStatus.NOT_FOUND ? null : undefined;
}
