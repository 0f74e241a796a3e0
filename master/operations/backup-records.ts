// What a backup asks of the catalog: which versions there are at one moment, and then the segments
// of each, with the datanodes that hold them.

import { wallClockIso } from '../../base/clock.ts';
import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import type { KeyspaceUid } from '../../base/ids.ts';
import type {
  GetManifestRequest,
  GetManifestResponse,
  GetRecordsRequest,
  GetRecordsResponse,
  KeyspaceRecords,
  StoredSegment,
  VersionRecords,
} from '../../proto/gen/stele/v1/cluster.ts';
import { segmentInfo } from '../catalog/messages.ts';
import {
  clusterOf,
  isGhost,
  keptVersions,
  requireKeyspace,
  revisionOf,
} from '../catalog/queries.ts';
import type { CatalogState } from '../catalog/catalog.ts';
import { versionId } from '../catalog/records.ts';
import type { KeyspaceRecord, ManifestRecord, VersionRecord } from '../catalog/records.ts';
import { totalsMessage } from '../catalog/totals.ts';
import { tierNumber } from '../../proto/view-words.ts';
import type { Leader } from '../control/leader.ts';

/** About 2 MB of answer. */
const SEGMENTS_PER_ANSWER = 16_384;

/** Throws KEYSPACE_NOT_FOUND. */
export function getRecords(leader: Leader, { keyspaces }: GetRecordsRequest): GetRecordsResponse {
  const { state } = leader.catalog;
  const { id, shardCount } = clusterOf(state);
  const wanted =
    keyspaces.length > 0
      ? new Set(keyspaces.map((name) => requireKeyspace(state, name)))
      : [...state.keyspace.values()].filter(
          (keyspace) => keyspace.state !== 'DELETING' && !isGhost(state, keyspace),
        );
  const found = [...wanted].sort((left, right) => (left.name < right.name ? -1 : 1));
  return {
    clusterId: id,
    shardCount,
    keyspaces: found.map((keyspace) => keyspaceRecords(state, keyspace)),
    at: wallClockIso(leader.env),
  };
}

function keyspaceRecords(state: CatalogState, keyspace: KeyspaceRecord): KeyspaceRecords {
  const { desired, name, uid } = keyspace;
  return {
    uid,
    name,
    currentVersion: desired.currentVersion,
    replication: desired.replication === 0 ? undefined : desired.replication,
    keep: desired.keep,
    suspended: desired.suspended === true,
    uncached: desired.uncached === true,
    tier: tierNumber(desired.tier ?? 'memory'),
    versions: keptVersions(state, uid).map(versionRecords),
  };
}

function versionRecords(version: VersionRecord): VersionRecords {
  const { committedAt, input = '', inputFingerprint, number, segmentBytes, source } = version;
  const about = { source, input, inputFingerprint, committedAt };
  return { number, segmentBytes, totals: totalsMessage(version), ...about };
}

/** Throws VERSION_NOT_FOUND if the version is not kept (any more). */
export function getManifest(leader: Leader, request: GetManifestRequest): GetManifestResponse {
  const { state } = leader.catalog;
  const { first, keyspace, keyspaceUid, version } = request;
  const ref = versionId(keyspaceUid, version);
  const manifest = state.manifest.get(ref);
  const name = state.keyspace.get(keyspaceUid as KeyspaceUid)?.name;
  // The right to read was checked for the keyspace of that name.
  const isAllowed = keyspace === '' || keyspace === name;
  if (manifest === undefined || !isAllowed || state.version.get(ref)?.state !== 'COMMITTED') {
    const of = keyspace || (name ?? shorten(keyspaceUid));
    throw new SteleError(
      'VERSION_NOT_FOUND',
      `Version ${version} of '${of}' is not kept any more.`,
    );
  }
  const nodes = [...leader.world.nodes.values()].filter(({ id }) => leader.world.holdings.has(id));
  const views = new Map(leader.current().nodes.map((node) => [node.id, node]));
  const holding = nodes.filter(({ id }) => views.has(id));
  return {
    revision: revisionOf(state, manifest),
    segmentsTotal: manifest.segments.length,
    segments: storedSegments(
      leader,
      manifest,
      first,
      holding.map(({ id }) => id),
    ),
    nodes: holding.flatMap(({ id }) => views.get(id) ?? []),
  };
}

function storedSegments(
  leader: Leader,
  { overwritten = {}, segments, uid }: ManifestRecord,
  first: number,
  nodeIds: readonly string[],
): StoredSegment[] {
  const held = nodeIds.map((id) => leader.world.holdings.get(id)?.segments.get(uid));
  return segments.slice(first, first + SEGMENTS_PER_ANSWER).map((segment) => {
    const totals = overwritten[segment.id];
    return {
      segment: segmentInfo(segment),
      ...(totals !== undefined && { overwritten: totalsMessage(totals) }),
      holders: held.flatMap((ids, index) => (ids?.has(segment.id) === true ? [index] : [])),
    };
  });
}
